"""A message on its way through the hub, and the topics that carry its properties."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import quote, unquote

from simulator.errors import DroppedError

# System properties that a sender sets, by their names on the wire: as conditions name them.
SYSTEM_NAMES = {
    "$.mid": "messageId",
    "$.cid": "cid",
    "$.uid": "userId",
    "$.to": "to",
    "ack": "ack",
    "$.ct": "contentType",
    "$.ce": "contentEncoding",
    "$.schema": "messageSchema",
    "iothub-operation": "operation",
    "$.ctime": "creationTime",
    "$.exp": "absolute-expiry-time",
    "$.ifid": "iothub-interface-id",
    "$.sub": "dt-subject",
}
# Those that edgeHub passes on to a module; the others stay behind.
DELIVERED = {name: wire for wire, name in SYSTEM_NAMES.items() if wire != "$.ifid"}
# Those that it passes on to the cloud, as that names them.
UPSTREAM_NAMES = {
    "messageId": "messageId",
    "cid": "correlationId",
    "userId": "userId",
    "to": "to",
    "contentType": "contentType",
    "contentEncoding": "contentEncoding",
    "messageSchema": "iothub-message-schema",
    "creationTime": "iothub-creation-time-utc",
    "iothub-interface-id": "iothub-interface-id",
    "dt-subject": "dt-subject",
}
# What earlier versions called them in their stores.
_FORMER_NAMES = SYSTEM_NAMES | {
    "correlationId": "cid",
    "expiryTimeUtc": "absolute-expiry-time",
    "iothub-creation-time-utc": "creationTime",
}
# IoT Hub's limit for body and properties together.
LARGEST_MESSAGE = 262_144
# The module as which the edge hub itself sends messages.
HUB_MODULE = "$edgeHub"
_NO_MARKS: Mapping[str, str] = MappingProxyType({})
# The kind of those that tell of a reported property; no sender can set it.
TWIN_CHANGE = "twinChangeNotification"


@dataclass(slots=True)
class Message:
    """One message.

    Attributes:
        device: The device it comes from.
        module: The module, None from a leaf device.
        output: The output of the module that it was sent to, if any.
        body: Its bytes.
        system: System properties that the sender has set, as conditions name them (contentType, messageId, cid, ...).
        properties: Application properties.
        received: When the hub took it (unix seconds).
    """

    device: str
    module: str | None
    output: str | None
    body: bytes
    system: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    received: float = 0.0
    _edge_id: str = field(default="", compare=False, repr=False)

    @property
    def edge_id(self) -> str:
        """The id that the edge hub gives each message, made when it is asked for."""
        self._edge_id = self._edge_id or str(uuid.uuid4())
        return self._edge_id

    @property
    def source(self) -> str:
        """The source that routes match: what follows FROM."""
        if self.system.get("messageType") == TWIN_CHANGE:
            return "/twinChangeNotifications"
        if self.module is None:
            return "/messages"
        if self.output is None:
            return f"/messages/modules/{self.module}"
        return f"/messages/modules/{self.module}/outputs/{self.output}"

    def header(self) -> str:
        """All but the body and the time, as JSON."""
        return json.dumps([self.device, self.module, self.output, self.system, self.properties])


def from_header(header: str, body: bytes, received: float) -> Message:
    """A message from its parts.

    Args:
        header: As edgeHub has it.
        body: The message's.
        received: When it came.
    """
    device, module, output, system, properties = json.loads(header)
    system = {_FORMER_NAMES.get(name, name): value for name, value in system.items()}
    return Message(device, module, output, body, system, properties, received)


def parse_properties(text: str) -> dict[str, str]:
    """The property bag at the end of a topic: `name=value&name=value`, percent-encoded."""
    bag: dict[str, str] = {}
    for entry in text.strip("/").removeprefix("?").split("&"):
        if entry:
            name, _, value = entry.partition("=")
            bag[unquote(name)] = unquote(value)
    return bag


def raw_property(text: str, name: str) -> str:
    """A value of a property bag as it stands there, "" if there is none; it is echoed as it came."""
    entries = (entry.partition("=") for entry in text.strip("/").removeprefix("?").split("&"))
    return next((value for found, _, value in entries if unquote(found) == name), "")


def twin_change(edge_device: str, device: str, module: str | None, patch: bytes, received: float) -> Message:
    """The message by which an edge hub tells routes of reported properties.

    Args:
        edge_device: The device that the hub is on.
        device: Whose twin it is.
        module: Whose twin it is; None: the device's own.
        patch: What has changed.
        received: When.
    """
    system = {"messageType": TWIN_CHANGE, "messageSchema": TWIN_CHANGE, "rpSenderDeviceId": device}
    system["enqueuedTime"] = datetime.fromtimestamp(received, UTC).isoformat()
    if module is not None:
        system["rpSenderModuleId"] = module
    return Message(edge_device, HUB_MODULE, None, patch, system, {}, received)


def from_topic(  # noqa: PLR0913 - a message's parts
    bag: str, body: bytes, device: str, module: str | None, received: float, *, marks: Mapping[str, str] = _NO_MARKS
) -> Message:
    """A message that a client has published, with the properties that the hub adds.

    Args:
        bag: The topic's properties.
        body: The message's.
        device: The sender's.
        module: The sender, where it is a module.
        received: When it came.
        marks: What the hub adds.

    Raises:
        DroppedError: EdgeHub acknowledges it, and takes it no further.
    """
    system: dict[str, str] = {}
    properties: dict[str, str] = {}
    output = None
    for name, value in parse_properties(bag).items():
        if name == "$.on":
            output = value
        elif name in SYSTEM_NAMES:
            system[SYSTEM_NAMES[name]] = value
        else:
            # `$.cdid` and `$.cmid`, which are the hub's to set, among them.
            properties[name] = value
    properties |= marks
    if len({name.lower() for name in properties}) < len(properties):
        raise DroppedError(f"two of its properties have one name but for case, among {', '.join(properties)[:80]}")
    return Message(device, module, output, body, system, properties, received)


def to_bag(message: Message) -> str:
    """The property bag with which a message is delivered to a module; `$.cdid` and `$.cmid` name its sender.

    The hub's own names stand in place of a sender's, but only those that it sets: a device has no `$.cmid`.
    """
    bag = dict(message.properties)
    bag |= {DELIVERED[name]: value for name, value in message.system.items() if name in DELIVERED}
    bag["$.cdid"] = message.device
    if message.module is not None:
        bag["$.cmid"] = message.module
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in bag.items())


# Names, and most values, come again with every message; the few thousand that do not push each other out.
@lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    return quote(text, safe="")
