"""Windows: what the model is asked about, an engine's last messages."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.model.signature import FloatArray


class Window(NamedTuple):
    """The last cycles of an engine.

    Attributes:
        engine: The engine's id; "" where the window names none.
        cycle: The newest cycle; 0 for a model that counts no cycles.
        values: float32 [rows, fields], NaN where a row says null; at most one row for each cycle of the window.
        places: int64 [rows], where in the window each row stands, from 0.
    """

    engine: str
    cycle: int
    values: FloatArray
    places: npt.NDArray[np.int64]

    def fill(self, window: FloatArray) -> None:
        """Write the rows into `window` [W, fields], and NaN where there is none."""
        if len(self.values) == len(window):
            window[:] = self.values
            return
        window.fill(np.nan)
        window[self.places] = self.values
