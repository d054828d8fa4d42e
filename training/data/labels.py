"""What is to be predicted: remaining useful life in cycles, and its class."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scoring.wire.cmapss import Trajectories
from training.errors import DataError, LabelError


@dataclass(frozen=True)
class Classes:
    """Classes of remaining useful life, the shortest first.

    Attributes:
        names: One name for each class.
        edges: The largest RUL of each class but the last, in cycles, rising.
    """

    names: tuple[str, ...]
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.edges) + 1 or len(set(self.names)) != len(self.names):
            raise LabelError(f"classes {self.names} with edges {self.edges}: give one more name than edges, each once")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise LabelError(f"class edges {self.edges}: give them in rising order")

    def of(self, rul: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.int64]:
        """The index of each RUL's class, int64 of the same shape.

        Args:
            rul: In cycles, of any shape.
        """
        return np.searchsorted(np.asarray(self.edges), rul, side="left").astype(np.int64)


def remaining_useful_life(trajectories: Trajectories, after_last: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """The cycles that are left after each row, int64 [rows].

    Args:
        trajectories: The cycles of several engines.
        after_last: The RUL of each engine after its last row, [engines]; None: all ran to failure.

    Raises:
        DataError: `after_last` has another number of engines than the trajectories.
    """
    if after_last is None:
        after_last = np.zeros(trajectories.engines, dtype=np.int64)
    if len(after_last) != trajectories.engines:
        raise DataError(
            f"RUL of {len(after_last)} engines for trajectories of {trajectories.engines}: "
            "give the RUL file that belongs to the test file"
        )
    end = trajectories.ends + after_last
    return end[trajectories.units - 1] - trajectories.cycles
