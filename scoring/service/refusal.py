"""Refusals: requests that are not served, and what the caller is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from scoring.errors import InvalidTelemetry
from scoring.wire.status import status

# Enough to see what is wrong; a thousand rows are mostly wrong in the same way.
_TOLD = 20
_COME_AGAIN = {"Retry-After": "1"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request.

    Attributes:
        reason: One word, stable enough to act on.
        detail: One sentence with the value and what would be right.
        field: The field's name; "" where it is no single field's fault.
        row: Which record or window of a list, from 0; None where it is no single one's fault.
    """

    reason: str
    detail: str
    field: str = ""
    row: int | None = None

    @classmethod
    def of(cls, invalid: InvalidTelemetry, row: int | None = None) -> Fault:
        """The fault that makes a record unfit to be scored."""
        return cls(str(invalid.reason), invalid.detail, invalid.field, row)

    def record(self) -> dict[str, Any]:
        """The fault as a JSON object."""
        record: dict[str, Any] = {"reason": self.reason, "detail": self.detail}
        if self.field:
            record["field"] = self.field
        if self.row is not None:
            record["row"] = self.row
        return record


class Refusal(Exception):  # noqa: N818 - it answers a request, no fault of the program
    """A request is not served.

    Attributes:
        status: The HTTP status.
        faults: What is wrong, in the order of rows.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, faults: Sequence[Fault], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(faults[0].detail)
        self.status = status
        self.faults = faults
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """What the caller is told."""
        return {"errors": [fault.record() for fault in self.faults[:_TOLD]], "count": len(self.faults)}

    def response(self) -> web.Response:
        """The answer to the request."""
        return web.json_response(self.body(), status=self.status, headers=self.headers, dumps=compact)


def refused(invalid: Mapping[int, InvalidTelemetry] | InvalidTelemetry) -> Refusal:
    """The refusal of a request that cannot be scored: which of its rows, or all of it."""
    if isinstance(invalid, InvalidTelemetry):
        return Refusal(status(invalid), [Fault.of(invalid)])
    faults = [Fault.of(each, row) for row, each in invalid.items()]
    return Refusal(status(next(iter(invalid.values()))), faults)


def come_again(reason: str, detail: str) -> Refusal:
    """The refusal of a request that may well be served a second later."""
    return Refusal(503, [Fault(reason, detail)], _COME_AGAIN)


def failed() -> Refusal:
    """The answer to a request on which the service failed."""
    return Refusal(500, [Fault("failed", "the service failed; its log says why")])


def compact(value: object) -> str:
    """JSON without blanks."""
    return encoded(value).decode()


def encoded(value: object) -> bytes:
    """JSON without blanks, as bytes."""
    return _ENCODER.encode(value)


def encoded_lines(values: Iterable[object]) -> bytes:
    """Each as JSON without blanks, on a line of its own."""
    return _ENCODER.encode_lines(values)


_ENCODER = msgspec.json.Encoder()
