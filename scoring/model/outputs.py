"""What a model says of a batch, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

RUL_COLUMNS = 3
"""Low, median and high."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model says of a batch; an array has no columns where the model does not say it.

    Attributes:
        probabilities: float32 [engines, classes]; scores where the model's signature says so.
        rul: float32 [engines, 3], low, median and high in cycles. The median is not above the cap of training.
        values: float32 [engines, values], other numbers.
        middle: float32 [engines, 1], the median RUL that no cap cuts, in cycles, from low to high.
        survival: float32 [engines, edges], how likely an engine lasts longer than each edge of its curve.
        modes: float32 [engines, modes], how likely it fails by each failure mode, if it fails.
    """

    probabilities: FloatArray
    rul: FloatArray
    values: FloatArray
    middle: FloatArray
    survival: FloatArray
    modes: FloatArray

    @classmethod
    def of(cls, rows: int, said: Mapping[str, FloatArray]) -> Outputs:
        """Outputs of so many rows, of which only some are said, by their attributes' names."""
        none = np.empty((rows, 0), dtype=np.float32)
        return cls(*(said.get(each.name, none) for each in fields(cls)))

    def each(self) -> tuple[FloatArray, ...]:
        """All arrays, in the order of the attributes."""
        return self.probabilities, self.rul, self.values, self.middle, self.survival, self.modes

    def packed(self, absent: npt.NDArray[np.int32]) -> FloatArray:
        """float32 [engines, columns]: all columns side by side, the last one `absent` [engines]."""
        arrays = self.each()
        # By parts: half the time of a concatenation.
        packed = np.empty((len(absent), sum(each.shape[1] for each in arrays) + 1), dtype=np.float32)
        end = 0
        for each in arrays:
            start, end = end, end + each.shape[1]
            packed[:, start:end] = each
        packed[:, -1] = absent
        return packed

    def unpacked(self, packed: FloatArray) -> tuple[Outputs, npt.NDArray[np.int32]]:
        """Outputs of the same form, and what is absent, from what `packed` made.

        Args:
            packed: float32 [rows, numbers of an answer], as `packed` gives it.
        """
        ends = np.cumsum([each.shape[1] for each in self.each()])
        *arrays, absent = np.split(packed, ends, axis=1)
        return Outputs(*arrays), absent[:, 0].astype(np.int32)

    def labels(self, classes: Sequence[str]) -> list[str | None]:
        """The most probable class of each engine; None if there are no classes."""
        if not classes:
            return [None] * len(self.probabilities)
        return [classes[column] for column in self.probabilities.argmax(axis=1).tolist()]
