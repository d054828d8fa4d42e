"""Dead letters: what a module cannot use, as it came, with the reason."""

from __future__ import annotations

import hashlib

from modules.edge.contract import SCHEMA, Contract
from modules.edge.hub.answer import OF_EACH, passed_on
from modules.edge.hub.message import InputMessage, OutputMessage
from scoring.errors import Reason

DEADLETTER = "deadletter"
"""The output."""

# IoT Hub takes 262,144 bytes with properties; a body that came with fewer properties than we add goes back in parts.
PART_BYTES = 240_000
# What replaces a message that edgeHub does not take must not be refused for its size, whatever that hub's limit is.
BARE_PART_BYTES = 60_000
_BARE = "-bare-"
_DETAIL_CHARACTERS = 300

DEAD_LETTER = Contract(
    "dead-letter",
    "What cannot be used: the bytes that came, or a part of them, whatever they are.",
    properties={
        "reason": {"type": "string", "examples": sorted(Reason), "description": "why it cannot be used"},
        "detail": {"type": "string", "description": "the same in words, in at most 300 characters"},
        "part": {
            "type": "string",
            "pattern": "^[1-9][0-9]*/[1-9][0-9]*$",
            "description": "which part, of how many; absent where it is whole",
        },
        **OF_EACH,
    },
)


def dead_letter(
    message: InputMessage, reason: str, detail: str, *, others: int = 0, record: int | None = None
) -> list[OutputMessage]:
    """What cannot be used: the original bytes, with the reason.

    Args:
        message: The message.
        reason: Why it cannot be used, or the first of its records that cannot.
        detail: The same in words.
        others: How many other records cannot be used either.
        record: Which record it is about, if the others have been answered before it.
    """
    if others:
        detail = f"{detail} (and {others} more records)"
    identity = hashlib.sha256(f"{message.device}\0{message.system.get('mid', '')}\0".encode())
    identity.update(message.body)
    if record is not None:
        identity.update(f"\0{record}".encode())
    properties, correlation_id = passed_on(
        message,
        {"reason": reason, "detail": _printable(detail), SCHEMA: DEAD_LETTER.id},
        DEAD_LETTER.properties,
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


def _printable(detail: str) -> str:
    """A property's value travels in an MQTT topic, in which control characters have no place."""
    return "".join(each if each.isprintable() else "?" for each in detail[:_DETAIL_CHARACTERS])
