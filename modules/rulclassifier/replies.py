"""The messages that answer an input: predictions, alerts and dead letters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from modules.edge.contract import SCHEMA
from modules.edge.hub.message import InputMessage, OutputMessage
from modules.rulclassifier.contracts import (
    ALERT,
    CONTINUITY,
    DEAD_LETTER,
    LEFT_OFF,
    PREDICTION,
    READING_TIME,
    READING_TIME_BY,
)
from scoring.errors import Reason
from scoring.predictions.prediction import Prediction

PREDICTIONS = "predictions"
ALERTS = "alerts"
DEADLETTER = "deadletter"

# IoT Hub takes 262,144 bytes with properties; a body that came with fewer properties than we add goes back in parts.
PART_BYTES = 240_000
# What replaces a message that edgeHub does not take must not be refused for its size, whatever that hub's limit is.
BARE_PART_BYTES = 60_000
# A message is billed by 4 KB: who sends more beside the body than that does not mean it to be copied to each answer.
MAX_PROPERTY_BYTES = 4_096
# IoT Hub's limit for message ids, which correlation ids repeat.
MAX_ID_CHARACTERS = 128
# The names of ours are no source's, in whatever case: edgeHub drops a message in which two differ in case alone.
_OURS = frozenset(name.lower() for each in (PREDICTION, DEAD_LETTER) for name in each.properties)
_BARE = "-bare-"
_DETAIL_CHARACTERS = 300


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
    properties, correlation_id = _passed_on(message, own)
    engine = answer.telemetry.engine
    named = {**properties, SCHEMA: PREDICTION.id}
    yield OutputMessage(PREDICTIONS, body, answer.id, correlation_id, engine, named)
    if answer.alert:
        named = {**properties, SCHEMA: ALERT.id}
        yield OutputMessage(ALERTS, body, f"{answer.id}-alert", correlation_id, engine, named)


def dead_letter(
    message: InputMessage, reason: str, detail: str, *, others: int = 0, record: int | None = None
) -> list[OutputMessage]:
    """What cannot be scored: the original bytes, with the reason.

    Args:
        message: The message.
        reason: Why it cannot be scored, or the first of its records that cannot.
        detail: The same in words.
        others: How many other records cannot be scored either.
        record: Which record it is about, if the others have been answered before it.
    """
    if others:
        detail = f"{detail} (and {others} more records)"
    identity = hashlib.sha256(f"{message.device}\0{message.system.get('mid', '')}\0".encode())
    identity.update(message.body)
    if record is not None:
        identity.update(f"\0{record}".encode())
    properties, correlation_id = _passed_on(
        message, {"reason": reason, "detail": _printable(detail), SCHEMA: DEAD_LETTER.id}
    )
    return _in_parts(
        OutputMessage(DEADLETTER, message.body, identity.hexdigest()[:32], correlation_id, message.device, properties),
        "-",
        PART_BYTES,
    )


def bare(message: OutputMessage) -> list[OutputMessage]:
    """What goes in the place of a message that edgeHub does not take: its body, and nothing else of a sender's.

    Nothing goes in the place of one that is bare already.
    """
    if _BARE in message.message_id:
        return []
    properties = {
        SCHEMA: DEAD_LETTER.id,
        "reason": Reason.NOT_TAKEN,
        "detail": f"edgeHub does not take this message of the output {message.output}",
    }
    letter = OutputMessage(DEADLETTER, message.body, message.message_id, order=message.order, properties=properties)
    return _in_parts(letter, _BARE, BARE_PART_BYTES)


def _in_parts(letter: OutputMessage, mark: str, size: int) -> list[OutputMessage]:
    """A dead letter as one message or as several."""
    parts = [letter.body[start : start + size] for start in range(0, len(letter.body), size)] or [b""]
    return [
        OutputMessage(
            letter.output,
            part,
            f"{letter.message_id}{mark}{number}",
            letter.correlation_id,
            letter.order,
            letter.properties if len(parts) == 1 else {**letter.properties, "part": f"{number}/{len(parts)}"},
            "application/octet-stream",
        )
        for number, part in enumerate(parts, 1)
    ]


def _passed_on(message: InputMessage, own: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """An answer's properties and its correlation id: the source's own, as far as they are bounded, and ours."""
    properties: dict[str, str] = {}
    names = set(_OURS)
    left = MAX_PROPERTY_BYTES
    for name, value in message.properties.items():
        size = len(name.encode()) + len(value.encode())
        if name and name.lower() not in names and size <= left:
            properties[name] = value
            names.add(name.lower())
            left -= size
    correlation_id = message.correlation_id
    left_off = len(message.properties) - len(properties)
    if len(correlation_id) > MAX_ID_CHARACTERS:
        correlation_id = ""
        left_off += 1
    if left_off:
        properties[LEFT_OFF] = str(left_off)
    return {**properties, **_when(message), **own}, correlation_id


def _when(message: InputMessage) -> dict[str, str]:
    """When a reading was made: what its source says, or else when it was taken in.

    These are properties and no fields of the body, which is the same whenever the same reading comes.
    """
    for by, time in (("source", message.created), ("module", message.arrived)):
        if time is not None:
            told = time.replace(tzinfo=None).isoformat(timespec="milliseconds")
            return {READING_TIME: f"{told}Z", READING_TIME_BY: by}
    return {}


def _printable(detail: str) -> str:
    """A property's value travels in an MQTT topic, in which control characters have no place."""
    return "".join(each if each.isprintable() else "?" for each in detail[:_DETAIL_CHARACTERS])
