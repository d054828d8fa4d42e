"""Messages as edgeHub hands them to a module, and as a module hands them to edgeHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, unquote

JSON_TYPE = "application/json"

# Ours alone, behind all that edgeHub says: when a message was taken in, in milliseconds since 1970.
_ARRIVED = "arrived"
# Of the year 5138.
_ARRIVED_DIGITS = 15
# What a source may say of when it made a message: MQTT's system property, and the names that others give it.
_CREATED = "ctime"
_CREATED_NAMES = ("iothub-creation-time-utc", "creationtimeutc")
# The longest form that .NET writes has 33.
_TIME_CHARACTERS = 40

# A sender's property names come again with every message; a sender with ever new ones pushes out only those.
_name = lru_cache(maxsize=256)(unquote)


@dataclass(frozen=True, slots=True)
class InputMessage:
    """A message that a route brought to one of the module's inputs.

    Attributes:
        input: The input's name.
        body: The bytes that the sender sent.
        system: System properties by their short names: `mid`, `cid`, `ct`, `ce`, `cdid`, `cmid` and others.
        properties: Application properties.
        edge_device: The id of the edge device whose hub has handed it over.
    """

    input: str
    body: bytes
    system: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    edge_device: str = ""

    @classmethod
    def from_topic(cls, topic: str, body: bytes) -> InputMessage:
        """Read `devices/{d}/modules/{m}/inputs/{input}/{properties}`; a message without properties lacks the last.

        A name that stands twice has its last value: edgeHub puts its own system properties behind a sender's.
        """
        identity, _, rest = topic.partition("/inputs/")
        name, _, encoded = rest.partition("/")
        system: dict[str, str] = {}
        properties: dict[str, str] = {}
        for pair in filter(None, encoded.split("&")):
            key, _, value = pair.partition("=")
            key = _name(key)
            if key.startswith("$."):
                system[key[2:]] = unquote(value)
            else:
                properties[key] = unquote(value)
        edge_device = unquote(identity.removeprefix("devices/").partition("/")[0])
        return cls(unquote(name), body, system, properties, edge_device)

    @property
    def device(self) -> str:
        """The id of the device whose connection the message came over."""
        return self.system.get("cdid", "")

    @property
    def is_from_module(self) -> bool:
        """A module of this edge device sent it, not a leaf device: that one may add any name but has its own id."""
        return "cmid" in self.system and self.device == self.edge_device

    @property
    def sender(self) -> str:
        """Who sent it: a device's id, or a device's and a module's."""
        return f"{self.device}/{self.system['cmid']}" if self.is_from_module else self.device

    @property
    def created(self) -> datetime | None:
        """When its source made it, if that says so; without a zone it is UTC."""
        told = [self.system.get(_CREATED, "")]
        told += [value for name, value in self.properties.items() if name.lower() in _CREATED_NAMES]
        for each in told:
            if each and len(each) <= _TIME_CHARACTERS:
                try:
                    time = datetime.fromisoformat(each)
                    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
                # The other: a time of year 1 or 9999 that no zone can be taken off.
                except (ValueError, OverflowError):
                    continue
        return None

    @property
    def arrived(self) -> datetime | None:
        """When it was taken in; None of one that an earlier version took."""
        told = self.system.get(_ARRIVED, "")
        # A sender may have made one up that an earlier version took.
        is_time = told.isascii() and told.isdecimal() and len(told) < _ARRIVED_DIGITS
        return datetime.fromtimestamp(int(told) / 1000, UTC) if is_time else None

    @property
    def correlation_id(self) -> str:
        """What answers are known by: the sender's correlation id, or else its message id."""
        return self.system.get("cid") or self.system.get("mid", "")


def with_arrival(topic: str, seconds: float) -> str:
    """The topic of a message that is taken in now, with the time.

    Args:
        topic: As `InputMessage.from_topic` takes it.
        seconds: Since 1970.
    """
    _, _, rest = topic.partition("/inputs/")
    _, has_properties, encoded = rest.partition("/")
    return f"{topic}{'&' if encoded else '' if has_properties else '/'}{quote(f'$.{_ARRIVED}')}={seconds * 1000:.0f}"


@dataclass(frozen=True, slots=True)
class OutputMessage:
    """A message for one of the module's outputs.

    Attributes:
        output: The output's name.
        body: The bytes to send; UTF-8 JSON unless the content type says otherwise.
        message_id: Deterministic, so that a consumer can drop a repeat.
        correlation_id: The id of the message that this one answers.
        order: Messages of the same order key leave in the order in which they were made: the engine's id.
        properties: Application properties.
        content_type: `application/json`, or IoT Hub does not route on the body.
    """

    output: str
    body: bytes
    message_id: str
    correlation_id: str = ""
    order: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE
