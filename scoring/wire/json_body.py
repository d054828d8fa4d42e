"""Bodies: one JSON object or a list of them, decoded within bounds."""

from __future__ import annotations

import json
from typing import Any

from scoring.errors import InvalidTelemetry, Reason

# IoT Hub carries 256 kB; anything larger did not come through it.
MAX_BODY_BYTES = 262_144
# A full body of the smallest records; keeps one message from taking the processor for seconds.
MAX_RECORDS = 1_000
# Objects and lists in one message: a list of as many records as may be, each with a few more within.
MAX_NESTED = 10_000
# Values in one message: no quarter of a megabyte holds so many with their names.
MAX_VALUES = 50_000
# A record of the widest model, and as many fields again that are none of the model's.
MAX_NAMES = 2_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs put before a text in UTF-8."""
# Those of UTF-16, and of UTF-32, which begins alike.
_FOREIGN_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def listed(payload: object, most: int = MAX_RECORDS) -> list[Any]:
    """The records that a decoded message holds: those of a list, or the only one.

    Raises:
        InvalidTelemetry: It holds none, or more than `most`.
    """
    found = payload if isinstance(payload, list) else [payload]
    if not found:
        raise InvalidTelemetry(Reason.EMPTY, "the body is an empty list")
    if len(found) > most:
        raise InvalidTelemetry(Reason.TOO_MANY_RECORDS, f"the body has {len(found)} records, at most {most} are taken")
    return found


def decode(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    """A body's JSON, each number as a float.

    Raises:
        InvalidTelemetry: It is not UTF-8, not JSON, nested too deep or too complex, or an object names a field twice.
    """
    try:
        return _DECODER.decode(body.removeprefix(BYTE_ORDER_MARK).decode("utf-8"))
    except UnicodeDecodeError as error:
        if is_foreign(body):
            raise InvalidTelemetry(Reason.NOT_UTF8, "the body is UTF-16 or UTF-32; send UTF-8") from error
        raise InvalidTelemetry(Reason.NOT_UTF8, f"byte {error.start} of the body is not UTF-8") from error
    except RecursionError as error:
        raise InvalidTelemetry(Reason.TOO_DEEP, "the body is nested too deep to be telemetry") from error
    except ValueError as error:
        raise InvalidTelemetry(Reason.NOT_JSON, f"the body is not JSON: {error}") from error


def is_foreign(text: bytes) -> bool:
    """Whether a text begins as one in UTF-16 or UTF-32 does."""
    return text.startswith(_FOREIGN_MARKS)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose fields are named once: which of two values is meant, nobody could tell later."""
    record = dict(pairs)
    if len(record) != len(pairs):
        last = {name: place for place, (name, _) in enumerate(pairs)}
        twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
        raise InvalidTelemetry(
            Reason.DUPLICATE_FIELD, f"the field {twice[:40]!r} stands twice in one object", twice[:40]
        )
    if len(record) > MAX_NAMES:
        raise InvalidTelemetry(Reason.TOO_COMPLEX, f"an object has {len(record)} fields, at most {MAX_NAMES} are taken")
    return record


# One for all messages: json.loads would build a decoder anew for each. Integers are read as floats, because
# int() refuses long ones with an error of its own, and float32 is what the model takes.
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=float)


_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    float: "a number",
    type(None): "null",
}


def kind(value: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value)) or f"of type {type(value).__name__}"
