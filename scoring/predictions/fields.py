"""What a record of a prediction holds, declared once, for schemas of messages and the service's description."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scoring.names import CYCLE, ENGINE
from scoring.predictions.prediction import LASTS, MODES
from scoring.telemetry.record import MAX_CYCLE

JsonSchema = dict[str, Any]

NUMBER: JsonSchema = {"type": "number"}
TEXT: JsonSchema = {"type": "string"}
_SHARES: JsonSchema = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}}
_NUMBERS: JsonSchema = {"type": "object", "additionalProperties": NUMBER}


@dataclass(frozen=True, slots=True)
class RecordField:
    """One field of a record.

    Attributes:
        schema: Of its value.
        text: What it says, with its unit.
        is_always: Each record has it, whatever the model.
    """

    schema: JsonSchema
    text: str
    is_always: bool = False

    @property
    def described(self) -> JsonSchema:
        """Its schema, with what it says."""
        return {**self.schema, "description": self.text}


FIELDS = {
    ENGINE: RecordField(TEXT, "the engine's id; absent where a model that counts no cycles is given none"),
    CYCLE: RecordField(
        {"type": "integer", "minimum": 1, "maximum": MAX_CYCLE}, "the cycle of the newest reading that it is made from"
    ),
    "PredictedRul": RecordField(NUMBER, "median of remaining useful life, in cycles, cut at the model's cap"),
    "RulLow": RecordField(NUMBER, "life is below it with a chance of 10%, in cycles, not cut"),
    "RulHigh": RecordField(NUMBER, "life is below it with a chance of 90%, in cycles, not cut"),
    "RulMiddle": RecordField(NUMBER, "median of remaining useful life, in cycles, not cut"),
    LASTS: RecordField(_SHARES, "by numbers of cycles, the chance to last longer than so many from now"),
    MODES: RecordField(_SHARES, "by failure mode, the chance that the engine fails by it, if it fails"),
    "RulClass": RecordField(TEXT, "the most probable class of remaining useful life"),
    "PredictedClass": RecordField(TEXT, "the most probable class, of a model that does not tell remaining useful life"),
    "Probabilities": RecordField(_SHARES, "by class, its probability"),
    "Scores": RecordField(_NUMBERS, "by class, what speaks for it, of a model without probabilities"),
    "PredictedValues": RecordField(_NUMBERS, "by name, what a model predicts that is neither class nor life"),
    "WindowFilled": RecordField(
        {"type": "number", "minimum": 0, "maximum": 1}, "the share of the window's values that were there", True
    ),
    "Model": RecordField(TEXT, "the model's name", True),
    "ModelVersion": RecordField(TEXT, "the model's version, made from its content", True),
}
"""By name, in the order in which a record has them."""
