"""Envelopes: messages with what the hub tells of them, as Azure stores them, whatever the file's format."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scoring.errors import InvalidTelemetry, Reason
from scoring.names import ENGINE
from scoring.telemetry.items import Item
from scoring.telemetry.record import Sender
from scoring.wire.items import ItemParser
from scoring.wire.json_body import BYTE_ORDER_MARK, MAX_BODY_BYTES, decode, listed

BODY = "Body"
"""Under which key an envelope holds what was sent."""
_SYSTEM = "SystemProperties"
_PROPERTIES = "Properties"
# What IoT Hub's routing, and what Event Hubs Capture of the same message, call its sender.
_DEVICE = ("connectionDeviceId", "iothub-connection-device-id")
_MODULE = ("connectionModuleId", "iothub-connection-module-id")
# Telemetry is an object or a list of them, and no base64 begins like these.
_JSON_BEGINS = (b"{", b"[")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One stored message.

    Attributes:
        body: The body's bytes; what JSON has been made of it already; None where there is none.
        sender: Who sent it; None where the envelope does not say.
    """

    body: object
    sender: Sender | None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Envelope:
        """The envelope that a record of a file is; text and base64 become the bytes that were sent."""
        body = record[BODY]
        if isinstance(body, str):
            body = body.encode("utf-8", "surrogatepass")
        return cls(_plain(body) if isinstance(body, bytes) else body, _sender(record))

    def items(self, parser: ItemParser) -> list[Item | InvalidTelemetry]:
        """What the message holds to be scored; what cannot be comes back as its error."""
        try:
            return parser.check_each(listed(self._payload()), self.sender)
        except InvalidTelemetry as invalid:
            return [invalid]

    def _payload(self) -> object:
        if self.body is None:
            raise InvalidTelemetry(Reason.NOT_JSON, "the message has no body")
        if not isinstance(self.body, bytes):
            return self.body
        if len(self.body) > MAX_BODY_BYTES:
            raise InvalidTelemetry(Reason.TOO_LARGE, f"the body has more than {MAX_BODY_BYTES} bytes")
        return decode(self.body)


def is_envelope(record: object, parser: ItemParser) -> bool:
    """Whether a record of a file is a message with its envelope, and no telemetry itself."""
    return isinstance(record, Mapping) and BODY in record and record.keys().isdisjoint(parser.columns)


def _plain(body: bytes) -> bytes:
    """A body as it was sent: where no content type says that it is JSON, the hub stores it as base64."""
    if _begins_as_json(body):
        return body
    try:
        decoded = base64.b64decode(body.removeprefix(BYTE_ORDER_MARK).strip(), validate=True)
    except binascii.Error:
        return body
    return decoded if _begins_as_json(decoded) else body


def _begins_as_json(body: bytes) -> bool:
    return body[:64].removeprefix(BYTE_ORDER_MARK).lstrip().startswith(_JSON_BEGINS)


def _sender(record: Mapping[str, Any]) -> Sender | None:
    """Who sent a message; a module names the engine in the record or in a property, or none, as on the device."""
    system = _mapping(record.get(_SYSTEM))
    if _first(system, _MODULE):
        named = _text(_mapping(record.get(_PROPERTIES)).get(ENGINE))
        return Sender(named, is_module=not named)
    device = _first(system, _DEVICE) or _text(record.get(ENGINE))
    return Sender(device) if device else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(system: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((text for name in names if (text := _text(system.get(name)))), "")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if value else ""
