"""The messages that answer a reading: predictions and alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator

from modules.edge.contract import SCHEMA
from modules.edge.hub.answer import passed_on
from modules.edge.hub.dead_letter import DEAD_LETTER
from modules.edge.hub.message import InputMessage, OutputMessage
from modules.rulclassifier.contracts import ALERT, CONTINUITY, PREDICTION
from scoring.predictions.prediction import Prediction

PREDICTIONS = "predictions"
ALERTS = "alerts"

# What a route may ask of any answer is no source's to say.
_OURS = {**PREDICTION.properties, **DEAD_LETTER.properties}


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
