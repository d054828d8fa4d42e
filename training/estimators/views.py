"""Views: which of the window's filters an estimator looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LATELY = (2, 5, 10, 15, 20)
"""In how many of the last cycles messages are counted, for windows of 50: where some are missing, they say how far each
filter can be believed."""

# Lengths are given for windows of so many cycles, and scaled for others.
_WINDOW = 50


@dataclass(frozen=True)
class View:
    """Means and slopes of some lengths, the cycle, and how many messages there are.

    Estimators with different views err differently, so their mean errs less (T. K. Ho, "The random subspace method for
    constructing decision forests", IEEE TPAMI 20(8), 1998).

    Attributes:
        means: Lengths of the means, in cycles.
        slopes: Lengths of the slopes, in cycles.
    """

    means: tuple[int, ...]
    slopes: tuple[int, ...]

    @classmethod
    def union(cls, views: Sequence[View]) -> View:
        """The view that shows all that any of these shows."""
        return cls(
            tuple(sorted({length for each in views for length in each.means})),
            tuple(sorted({length for each in views for length in each.slopes})),
        )

    def scaled(self, window: int) -> View:
        """The view of a window of that many cycles that this one is of a window of 50.

        Args:
            window: Cycles in a window (W).
        """
        return View(scaled(self.means, 1, window), scaled(self.slopes, 2, window))

    def columns(self, whole: View, lately: int, *, sees_lately: bool) -> ViewColumns:
        """Where this view's filters stand among the features of a whole one.

        Args:
            whole: All filters that there are.
            lately: How many features say how many messages came lately.
            sees_lately: Whether the view shows these.
        """
        means = [whole.means.index(length) for length in self.means]
        slopes = [len(whole.means) + whole.slopes.index(length) for length in self.slopes]
        return ViewColumns((*means, *slopes), len(whole.means) + len(whole.slopes), lately, sees_lately)


def scaled(lengths: tuple[int, ...], least: int, window: int) -> tuple[int, ...]:
    """Lengths for windows of 50 cycles as those of others, each once.

    Args:
        lengths: In cycles.
        least: The shortest that is of use.
        window: Cycles in a window (W).
    """
    return tuple(sorted({max(min(least, window), round(each * window / _WINDOW)) for each in lengths}))


@dataclass(frozen=True)
class ViewColumns:
    """Selects a view's columns of the features of `WindowFeatures`; scikit-learn's ColumnTransformer calls it.

    Attributes:
        filters: Which filters of each sensor.
        of: How many filters each sensor has.
        lately: How many features behind them say how many messages came lately.
        sees_lately: Whether these are selected.
    """

    filters: tuple[int, ...]
    of: int
    lately: int
    sees_lately: bool

    def __call__(self, x: NDArray[np.float32]) -> list[int]:
        """The columns of features as `WindowFeatures` has them; the last two, messages and cycle, always belong."""
        of_sensors = x.shape[1] - 2 - self.lately
        chosen = [first + each for first in range(0, of_sensors, self.of) for each in self.filters]
        return [*chosen, *range(of_sensors if self.sees_lately else of_sensors + self.lately, x.shape[1])]
