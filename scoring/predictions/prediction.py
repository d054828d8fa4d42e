"""Predictions: what the model says of one engine at one cycle, and the record that is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scoring.model.signature import Signature
from scoring.names import CYCLE, ENGINE
from scoring.telemetry.record import Telemetry
from scoring.telemetry.window import Window

LASTS = "ChanceToLast"
"""Under which key a record says how likely the engine lasts another number of cycles."""
MODES = "FailureModes"
"""Under which key a record says how likely the engine fails by which mode."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one engine at one cycle.

    Attributes:
        telemetry: The record, or the window, that was scored.
        signature: The model's own account of itself.
        version: The model's version.
        filled: The share of the window's values that were there, 0 to 1.
        probabilities: By class, from the shortest life on, or scores; empty for a model without classes.
        rul: Low, median and high, in cycles; empty for a model without RUL. The median is not above the cap of
            training.
        middle: The median that no cap cuts, in cycles, from low to high; None for a model without a curve.
        lasts: How likely the engine lasts longer than what was asked for, by the number of cycles.
        modes: How likely it fails by each failure mode, if it fails; empty for a model that does not tell.
        values: Other numbers, by name; empty for a model without them.
        alert: The model's threshold for an alert is reached.
    """

    telemetry: Telemetry | Window
    signature: Signature
    version: str
    filled: float
    probabilities: dict[str, float]
    rul: tuple[float, ...]
    middle: float | None
    lasts: dict[str, float]
    modes: dict[str, float]
    values: dict[str, float]
    alert: bool

    @property
    def id(self) -> str:
        """Derived from the record and the model alone, so that a repeated message gets the same one."""
        return prediction_id(self.telemetry, self.version)

    @property
    def label(self) -> str | None:
        """The most probable class; None for a model without classes."""
        return max(self.probabilities, key=self.probabilities.__getitem__) if self.probabilities else None

    def record(self) -> dict[str, Any]:
        """The prediction as the JSON object that is sent."""
        record: dict[str, Any] = {ENGINE: self.telemetry.engine} if self.telemetry.engine else {}
        if self.telemetry.cycle:
            record[CYCLE] = self.telemetry.cycle
        if self.rul:
            low, median, high = self.rul
            record |= {"PredictedRul": round(median, 2), "RulLow": round(low, 2), "RulHigh": round(high, 2)}
        if self.middle is not None:
            record["RulMiddle"] = round(self.middle, 2)
        if self.lasts:
            record[LASTS] = {name: round(value, 6) for name, value in self.lasts.items()}
        if self.modes:
            record[MODES] = {name: round(value, 6) for name, value in self.modes.items()}
        if self.probabilities:
            record |= {
                label_key(self.signature): self.label,
                weights_key(self.signature): {name: round(value, 6) for name, value in self.probabilities.items()},
            }
        if self.values:
            record["PredictedValues"] = {name: significant(value) for name, value in self.values.items()}
        record |= {"WindowFilled": round(self.filled, 4), "Model": self.signature.name, "ModelVersion": self.version}
        return record


def label_key(signature: Signature) -> str:
    """Under which key a record says the class."""
    return "RulClass" if signature.is_of_rul else "PredictedClass"


def weights_key(signature: Signature) -> str:
    """Under which key a record says what speaks for each class."""
    return "Scores" if signature.scores else "Probabilities"


def significant(value: float) -> float:
    """A value with as many digits as float32 has."""
    return float(f"{value:.7g}")


def moment_names(moments: Sequence[float]) -> list[str]:
    """Numbers of cycles as a record names them."""
    return [f"{each:.10g}" for each in moments]


def columns(signature: Signature, moments: Sequence[float] = ()) -> dict[str, Any]:
    """What a record of this model's predictions holds, each key with a value of its kind.

    Args:
        signature: The model's.
        moments: For which it says how likely an engine lasts longer, in cycles.
    """
    cycle = 1 if signature.cycle else 0
    return Prediction(
        telemetry=Telemetry("engine", cycle, np.empty(0, dtype=np.float32)),
        signature=signature,
        version="",
        filled=1.0,
        probabilities=dict.fromkeys(signature.classes, 0.0),
        rul=(0.0, 0.0, 0.0) if signature.interval else (),
        middle=0.0 if signature.curve else None,
        lasts=dict.fromkeys(moment_names(moments), 0.0),
        modes=dict.fromkeys(signature.modes, 0.0),
        values=dict.fromkeys(signature.values, 0.0),
        alert=False,
    ).record()


def prediction_id(telemetry: Telemetry | Window, version: str) -> str:
    """32 hexadecimal digits that depend on the engine, the cycle, the values and the model, nothing else."""
    digest = hashlib.sha256(f"{version}\0{telemetry.engine}\0{telemetry.cycle}\0".encode())
    digest.update(telemetry.values.tobytes())
    return digest.hexdigest()[:32]
