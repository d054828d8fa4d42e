"""Messages as edgeHub hands them to a module, and as a module hands them to edgeHub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import unquote

JSON_TYPE = "application/json"

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
    def correlation_id(self) -> str:
        """What answers are known by: the sender's correlation id, or else its message id."""
        return self.system.get("cid") or self.system.get("mid", "")


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
