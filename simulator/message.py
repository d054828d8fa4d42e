"""A message on its way through the hub, and the topics that carry its properties."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, unquote

from simulator.errors import ProtocolError

# System properties by their names on the wire, and as conditions and the cloud name them.
SYSTEM_NAMES = {
    "$.mid": "messageId",
    "$.cid": "correlationId",
    "$.uid": "userId",
    "$.ct": "contentType",
    "$.ce": "contentEncoding",
    "$.exp": "expiryTimeUtc",
    "$.to": "to",
    "$.ctime": "iothub-creation-time-utc",
    "$.ifid": "iothub-interface-id",
}
WIRE_NAMES = {name: wire for wire, name in SYSTEM_NAMES.items()}
# IoT Hub's limit for body and properties together.
LARGEST_MESSAGE = 262_144


@dataclass(slots=True)
class Message:
    """One message.

    Attributes:
        device: the device it comes from.
        module: the module, None from a leaf device.
        output: the output of the module that it was sent to, if any.
        body: its bytes.
        system: system properties by their long names (contentType, messageId, ...).
        properties: application properties.
        received: when the hub took it (unix seconds).
    """

    device: str
    module: str | None
    output: str | None
    body: bytes
    system: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    received: float = 0.0

    @property
    def source(self) -> str:
        """The source that routes match: what follows FROM."""
        if self.module is None:
            return "/messages/events"
        if self.output is None:
            return f"/messages/modules/{self.module}"
        return f"/messages/modules/{self.module}/outputs/{self.output}"

    def header(self) -> str:
        """All but the body and the time, as JSON."""
        return json.dumps([self.device, self.module, self.output, self.system, self.properties])


def from_header(header: str, body: bytes, received: float) -> Message:
    """A message from its parts."""
    device, module, output, system, properties = json.loads(header)
    return Message(device, module, output, body, system, properties, received)


def parse_properties(text: str) -> dict[str, str]:
    """The property bag at the end of a topic: `name=value&name=value`, percent-encoded."""
    bag: dict[str, str] = {}
    for entry in text.strip("/").removeprefix("?").split("&"):
        if entry:
            name, _, value = entry.partition("=")
            bag[unquote(name)] = unquote(value)
    return bag


def from_topic(bag: str, body: bytes, device: str, module: str | None, received: float) -> Message:
    """A message that a client has published."""
    system: dict[str, str] = {}
    properties: dict[str, str] = {}
    output = None
    for name, value in parse_properties(bag).items():
        if name == "$.on":
            output = value
        elif name.startswith("$."):
            system[SYSTEM_NAMES.get(name, name)] = value
        else:
            properties[name] = value
    size = len(body) + sum(len(name) + len(value) for name, value in properties.items())
    if size > LARGEST_MESSAGE:
        message = f"a message of {size} bytes; the edge hub takes {LARGEST_MESSAGE} at most"
        raise ProtocolError(message)
    return Message(device, module, output, body, system, properties, received)


def to_bag(message: Message) -> str:
    """The property bag with which a message is delivered; `$.cdid` and `$.cmid` name its sender.

    The hub's own names stand in place of a sender's, but only those that it sets: a device has no `$.cmid`.
    """
    bag = dict(message.properties)
    bag |= {WIRE_NAMES.get(name, name): value for name, value in message.system.items()}
    bag["$.cdid"] = message.device
    if message.module is not None:
        bag["$.cmid"] = message.module
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in bag.items())


# Names, and most values, come again with every message; the few thousand that do not push each other out.
@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote(text, safe="")
