"""What an answer takes over from the message that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.edge.hub.message import InputMessage

READING_TIME = "readingTime"
READING_TIME_BY = "readingTimeBy"
LEFT_OFF = "propertiesLeftOff"

# A message is billed by 4 KB: who sends more beside the body than that does not mean it to be copied to each answer.
MAX_PROPERTY_BYTES = 4_096
# IoT Hub's limit for message ids, which correlation ids repeat.
MAX_ID_CHARACTERS = 128

OF_EACH: Mapping[str, Mapping[str, Any]] = {
    READING_TIME: {
        "type": "string",
        "format": "date-time",
        "description": "when the reading was made, as far as that is known, in UTC",
    },
    READING_TIME_BY: {
        "enum": ["source", "module"],
        "description": "source: the reading's message says so; module: it says nothing, and was taken in then",
    },
    LEFT_OFF: {
        "type": "string",
        "description": "how many of the source's properties were over 4 KB, and are not passed on",
    },
}
"""JSON Schemas of the application properties that each answer has, besides its own."""


def passed_on(message: InputMessage, own: Mapping[str, str], named: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """An answer's properties and its correlation id: the source's own, as far as they are bounded, and ours.

    Args:
        message: What is answered.
        own: The answer's own properties.
        named: All names that are the answer's own, which are no source's, in whatever case: edgeHub drops a message in
            which two differ in case alone.
    """
    properties: dict[str, str] = {}
    names = {name.lower() for name in named}
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
