"""The curve of an engine: how likely it lasts how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MAX_KNOTS = 256
"""Edges and parts of a curve; models here have 23."""

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Curve:
    """Between which moments a model tells how likely an engine has failed; in between, each is as likely as another.

    Attributes:
        edges: The moments of the output `survival`, rising, in cycles from now.
        beyond: Later moments, never falling: whoever outlasts the last edge fails before the first of these, between it
            and the second, and so on, with the same chance each.
    """

    edges: tuple[float, ...]
    beyond: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.edges or not self.beyond or len(self.edges) + len(self.beyond) > MAX_KNOTS:
            raise ValueError(
                f"a curve with {len(self.edges)} edges and {len(self.beyond)} moments beyond them; at least 1 of each, "
                f"and {MAX_KNOTS} together, can be served"
            )
        if any(low >= high for low, high in pairwise((0.0, *self.edges))):
            raise ValueError("edges of a curve that do not rise from 0")
        if any(low > high for low, high in pairwise((self.edges[-1], *self.beyond))):
            raise ValueError("moments beyond a curve that fall")

    def lasts(self, survival: FloatArray, cycles: Sequence[float]) -> FloatArray:
        """How likely engines last longer than this, float32 [engines, cycles].

        Args:
            survival: float32 [engines, edges], as a model tells it.
            cycles: Moments, in cycles from now, from 0 up.
        """
        parts = len(self.beyond)
        moments = np.concatenate([[0.0], self.edges, self.beyond])
        last = survival[:, -1:].astype(np.float64)
        known = np.concatenate(
            [np.ones_like(last), survival.astype(np.float64), last * (np.arange(parts - 1, -1, -1) / parts)], axis=1
        )
        asked = np.asarray(cycles, dtype=np.float64)
        after = np.clip(np.searchsorted(moments, asked, side="right"), 1, len(moments) - 1)
        width = moments[after] - moments[after - 1]
        # Two products and a sum, each rounded on its own, are the same on every processor.
        share = np.minimum((asked - moments[after - 1]) / np.where(width > 0, width, 1.0), 1.0)
        share[asked >= moments[after]] = 1.0
        return np.asarray(known[:, after - 1] * (1.0 - share) + known[:, after] * share, dtype=np.float32)
