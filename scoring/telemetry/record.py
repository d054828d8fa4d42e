"""Records: what an engine measured in one cycle, checked, and who sent it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scoring.model.signature import FloatArray

# A cycle is one flight: a million of them is 100 years of 27 a day, and float32 still counts exactly.
MAX_CYCLE = 1_000_000
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """One checked record: what an engine measured in one cycle.

    Attributes:
        engine: The engine's id (its device id in IoT Hub).
        cycle: The cycle's number, from 1; 0 for a model that counts no cycles.
        values: float32 [fields], in the order of the model's fields; NaN where the record says null.
        source: Who sent it, "" where that is not known.
    """

    engine: str
    cycle: int
    values: FloatArray
    source: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message, as the hub knows it.

    Attributes:
        device: The engine of a record that names none: a leaf device's own id, or the one that the message names;
            "" where a record must name its own.
        is_module: A module of this edge device speaks for any engine; a leaf device only for itself.
        name: Who it is, to tell senders apart.
    """

    device: str
    is_module: bool = False
    name: str = ""


def is_cycle(value: float) -> bool:
    """Whether a value is a whole number in the range of cycles; NaN is none."""
    return 1 <= value <= MAX_CYCLE and value == int(value)


def are_cycles(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which values are whole numbers in the range of cycles.

    Args:
        values: float64 of any shape, NaN where a value is absent.
    """
    whole: npt.NDArray[np.bool_] = (values >= 1) & (values <= MAX_CYCLE) & (values == np.floor(values))
    return whole
