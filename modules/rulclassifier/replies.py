"""The messages that answer a reading: predictions, alerts, and the reading itself with its prediction, to be kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

from modules.edge.contract import SCHEMA
from modules.edge.hub.answer import passed_on
from modules.edge.hub.dead_letter import DEAD_LETTER
from modules.edge.hub.message import InputMessage, OutputMessage
from modules.rulclassifier.contracts import ALERT, ARCHIVED, CONTINUITY, PREDICTION
from scoring.predictions.prediction import Prediction
from scoring.wire.json_body import decode, listed

PREDICTIONS = "predictions"
ALERTS = "alerts"
ARCHIVE = "archive"

# What a route may ask of any answer is no source's to say.
_OURS = {**PREDICTION.properties, **DEAD_LETTER.properties}
# Beyond, floats are whole numbers all, and not exact.
_LARGEST_WHOLE = 2**53


def prediction(message: InputMessage, answer: Prediction, continuity: str = "") -> Iterator[OutputMessage]:
    """What a prediction is sent as: itself, and an alert where the model's threshold is reached.

    Args:
        message: What it answers.
        answer: The prediction.
        continuity: What is said of the engine's cycles: a jump that was confirmed, or a new life.
    """
    body = json.dumps(answer.record(), separators=(",", ":")).encode()
    own = {} if answer.label is None else {"rulClass" if answer.signature.is_of_rul else "class": answer.label}
    if continuity:
        own[CONTINUITY] = continuity
    properties, correlation_id = passed_on(message, own, _OURS)
    engine = answer.telemetry.engine
    named = {**properties, SCHEMA: PREDICTION.id}
    yield OutputMessage(PREDICTIONS, body, answer.id, correlation_id, engine, named)
    if answer.alert:
        named = {**properties, SCHEMA: ALERT.id}
        yield OutputMessage(ALERTS, body, f"{answer.id}-alert", correlation_id, engine, named)


def archived(message: InputMessage, number: int, answer: Prediction) -> OutputMessage:
    """A reading as it came, and what was predicted from it.

    Args:
        message: What brought the reading.
        number: Which of its records it is.
        answer: The prediction.
    """
    reading = {name: _exact(value) for name, value in listed(decode(message.body))[number].items()}
    body = json.dumps({**reading, **answer.record()}, separators=(",", ":")).encode()
    properties, correlation_id = passed_on(message, {SCHEMA: ARCHIVED.id}, _OURS)
    return OutputMessage(ARCHIVE, body, f"{answer.id}-archive", correlation_id, answer.telemetry.engine, properties)


def _exact(value: object) -> object:
    """A whole number as one: bodies are read with floats alone."""
    if isinstance(value, float) and value.is_integer() and math.fabs(value) < _LARGEST_WHOLE:
        return int(value)
    return value
