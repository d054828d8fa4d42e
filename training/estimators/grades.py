"""Grades of RUL, finer than classes, and what chances of them say: a curve, its quantiles, its mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.model.curve import Curve
from training.data.labels import Classes

DoubleArray = NDArray[np.float64]

SHARES = (0.064, 0.128, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.6)
"""Upper edges of the grades, as shares of the cap; the classes' own edges come in between. In cross-validation 9 grades
were worse and 17 or 24 no better."""
PARTS = 10
"""Into how many parts, each as likely as another, the last grade is divided, which has no upper edge."""
SMALLEST = 1e-6
"""Chances are kept this far from 0 before they are raised to a power."""
TINY = 1e-12
"""The least that is divided by."""


@dataclass(frozen=True, eq=False)
class Grades:
    """Grades of RUL.

    Within a grade each moment is as likely as another; within the last one, each part.

    Attributes:
        edges: float64 [edges], the upper edge of each grade but the last, rising, in cycles (RUL <= edge).
        beyond: float64 [parts], the upper edges of the last grade's parts, never falling, in cycles.
    """

    edges: DoubleArray
    beyond: DoubleArray

    @classmethod
    def of(cls, rul: NDArray[np.int64], classes: Classes, cap: float, shares: Sequence[float]) -> Grades:
        """The grades of a task, the last one divided by the lives that training saw to reach it.

        Args:
            rul: int64, true RUL in cycles, not cut, of any shape.
            classes: The RUL classes, whose edges are edges of grades as well.
            cap: Where RUL is cut, in cycles.
            shares: Upper edges, as shares of the cap.
        """
        edges = np.unique(np.concatenate([cap * np.asarray(shares, dtype=np.float64), classes.edges]))
        long = rul[rul > edges[-1]]
        if not len(long):
            # No life reaches the last grade: nothing will be thought to.
            return cls(edges, np.full(PARTS, edges[-1] + 1))
        return cls(edges, np.quantile(long, np.arange(1, PARTS + 1) / PARTS).astype(np.float64))

    @property
    def curve(self) -> Curve:
        """What a device is told of them."""
        return Curve(tuple(self.edges.tolist()), tuple(self.beyond.tolist()))

    @property
    def count(self) -> int:
        """How many grades there are."""
        return len(self.edges) + 1

    @property
    def widths(self) -> DoubleArray:
        """How long each grade but the last is, and each of its parts, float64 [edges + parts], in cycles."""
        return np.diff(np.concatenate([[0.0], self.edges, self.beyond]))

    @property
    def parts(self) -> DoubleArray:
        """How each grade's chance is divided, float64 [grades, edges + parts]: only the last one's is."""
        divided = np.eye(self.count, len(self.edges) + PARTS)
        divided[-1, len(self.edges) :] = 1 / PARTS
        return divided

    def grade(self, rul: NDArray[np.int64]) -> NDArray[np.int64]:
        """The grade of each RUL, from 0.

        Args:
            rul: int64, in cycles.
        """
        return np.searchsorted(self.edges, rul)

    def places(self, classes: Classes) -> DoubleArray:
        """To which class each grade belongs, float64 [grades, classes], 1 where it does."""
        # A grade's class is that of its upper edge; beyond the last edge it is the last class.
        return np.eye(len(classes.names))[classes.of(np.append(self.edges, np.inf))]

    @property
    def earlier(self) -> DoubleArray:
        """How likely an engine has failed before each grade or part begins, by its grades, as `parts`."""
        return np.asarray(self.parts @ np.triu(np.ones((len(self.widths), len(self.widths))), k=1))

    @property
    def later(self) -> DoubleArray:
        """Which grades lie beyond each edge, float64 [grades, edges], 1 where they do."""
        return np.tri(self.count, len(self.edges), k=-1)

    @property
    def means(self) -> DoubleArray:
        """The mean RUL of each grade, float64 [grades], in cycles."""
        widths = self.widths
        return np.asarray(self.parts @ (np.cumsum(widths) - widths / 2))

    def means_below(self, cap: float) -> DoubleArray:
        """The mean of RUL cut at a cap, of each grade, float64 [grades], in cycles."""
        ends = np.concatenate([[0.0], self.edges, self.beyond])
        below = np.minimum(ends, cap)
        # Of what is cut, as an integral up to each end.
        area = np.diff(np.square(below) / 2 + cap * (ends - below))
        widths = self.widths
        return np.asarray(self.parts @ np.where(widths > 0, area / np.maximum(widths, TINY), below[1:]))

    def mean(self, chances: DoubleArray) -> DoubleArray:
        """The mean RUL, float64 [rows], in cycles.

        Args:
            chances: float64 [rows, grades], with sum 1.
        """
        return np.asarray(chances @ self.means)

    def quantile(self, chances: DoubleArray, level: float | DoubleArray) -> DoubleArray:
        """The RUL that an engine falls short of with a chance, float64 [rows], in cycles.

        Args:
            chances: float64 [rows, grades], with sum 1.
            level: The chance, 0 to 1; or one for each row, float64 [rows, 1].
        """
        share = (level - chances @ self.earlier) / np.maximum(chances @ self.parts, TINY)
        return np.asarray(np.clip(share, 0.0, 1.0) @ self.widths)


def sharpened(chances: DoubleArray, power: float) -> DoubleArray:
    """Chances float64 [rows, grades] raised to a power, with sum 1 again.

    Args:
        chances: float64 [rows, grades].
        power: Above 1, they become more certain.
    """
    raised = np.maximum(chances, SMALLEST) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
