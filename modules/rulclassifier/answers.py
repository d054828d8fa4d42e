"""The messages that answer an input: predictions, alerts and dead letters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from modules.edge.message import InputMessage, OutputMessage
from scoring.errors import InvalidTelemetry
from scoring.prediction import Prediction

PREDICTIONS = "predictions"
ALERTS = "alerts"
DEADLETTER = "deadletter"

# IoT Hub takes 262,144 bytes with properties; a body that came with fewer properties than we add goes back in parts.
PART_BYTES = 240_000
_DETAIL_CHARACTERS = 300


def prediction(message: InputMessage, answer: Prediction) -> Iterator[OutputMessage]:
    """What a prediction is sent as: itself, and an alert where the model's threshold is reached."""
    body = json.dumps(answer.record(), separators=(",", ":")).encode()
    properties = dict(message.properties)
    if answer.label is not None:
        properties["rulClass" if answer.signature.is_of_rul else "class"] = answer.label
    engine = answer.telemetry.engine
    yield OutputMessage(PREDICTIONS, body, answer.id, message.correlation_id, engine, properties)
    if answer.alert:
        yield OutputMessage(ALERTS, body, f"{answer.id}-alert", message.correlation_id, engine, properties)


def dead_letter(message: InputMessage, reasons: list[InvalidTelemetry]) -> Iterator[OutputMessage]:
    """What cannot be scored: the original bytes, with the first reason and how many records have one."""
    first = reasons[0]
    detail = first.detail if len(reasons) == 1 else f"{first.detail} (and {len(reasons) - 1} more records)"
    # A property's value travels in an MQTT topic, in which control characters have no place.
    detail = "".join(each if each.isprintable() else "?" for each in detail[:_DETAIL_CHARACTERS])
    properties = {**message.properties, "reason": first.reason, "detail": detail}
    identity = hashlib.sha256(f"{message.device}\0{message.system.get('mid', '')}\0".encode())
    identity.update(message.body)
    parts = [message.body[start : start + PART_BYTES] for start in range(0, len(message.body), PART_BYTES)] or [b""]
    for number, part in enumerate(parts, 1):
        if len(parts) > 1:
            properties = {**properties, "part": f"{number}/{len(parts)}"}
        yield OutputMessage(
            DEADLETTER,
            part,
            f"{identity.hexdigest()[:32]}-{number}",
            message.correlation_id,
            message.device,
            properties,
            "application/octet-stream",
        )
