"""The packets of MQTT 3.1.1 that the edge hub speaks, and those that a small client needs (OASIS, 29 October 2014).

Pure bytes in, packets out: no sockets and no state but the bytes of an unfinished packet.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from simulator.errors import ProtocolError, VersionError

# What edgeHub takes of a client, without the packet's first bytes; anything longer is refused unread.
LARGEST_PACKET = 262_144

LONGEST_STRING = 65_535
# With TLS.
PORT = 8883

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK = 8, 9, 10, 11
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

ACCEPTED, REFUSED_VERSION, REFUSED_IDENTIFIER, REFUSED_UNAVAILABLE, REFUSED_CREDENTIALS, NOT_AUTHORIZED = range(6)
SUBSCRIPTION_FAILED = 0x80


class Will(NamedTuple):
    """What is published in a client's name when it goes without a goodbye."""

    topic: str
    body: bytes
    retain: bool = False


class Connect(NamedTuple):
    """The first packet of a client."""

    client_id: str
    clean_session: bool
    keep_alive: int
    user_name: str | None
    password: bytes | None
    will: Will | None = None


class Connack(NamedTuple):
    """The answer to it."""

    session_present: bool
    code: int


class Publish(NamedTuple):
    """A message."""

    topic: str
    body: bytes
    qos: int
    packet_id: int  # 0 with QoS 0
    duplicate: bool
    retain: bool


class Puback(NamedTuple):
    """A message of QoS 1 has been taken."""

    packet_id: int


class Subscribe(NamedTuple):
    """Topic filters with the QoS asked for."""

    packet_id: int
    filters: list[tuple[str, int]]


class Suback(NamedTuple):
    """The QoS granted for each."""

    packet_id: int
    codes: list[int]


class Unsubscribe(NamedTuple):
    """Topic filters no longer wanted."""

    packet_id: int
    filters: list[str]


class Unsuback(NamedTuple):
    """They are gone."""

    packet_id: int


class Ping(NamedTuple):
    """A client shows that it lives."""


class Pong(NamedTuple):
    """So does the server."""


class Disconnect(NamedTuple):
    """A client leaves in good order."""


Packet: TypeAlias = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback | Ping | Pong | Disconnect
)


class Reader:
    """The fields of one packet's body, read from left to right."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)

    def take(self, count: int) -> bytes:
        """Read bytes."""
        start = self.position
        self.position = start + count
        if self.position > self.end:
            raise ProtocolError(f"a packet ends {self.position - self.end} bytes too early")
        return self.data[start : self.position]

    def byte(self) -> int:
        """Read one byte."""
        return self.take(1)[0]

    def integer(self) -> int:
        """Read two bytes, the high one first."""
        high, low = self.take(2)
        return high << 8 | low

    def binary(self) -> bytes:
        """Read bytes with their length before them."""
        return self.take(self.integer())

    def string(self) -> str:
        """Read a UTF-8 string with its length before it."""
        raw = self.binary()
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a string is not UTF-8: {error}") from error
        if "\0" in text:
            raise ProtocolError(f"the string {text!r} holds the character U+0000")
        return text

    def packet_id(self) -> int:
        """Read a packet identifier."""
        number = self.integer()
        if number == 0:
            raise ProtocolError("a packet identifier is 0")
        return number

    def rest(self) -> bytes:
        """Read what is left."""
        return self.take(self.end - self.position)

    def finished(self) -> bool:
        """Whether nothing is left."""
        return self.position == self.end


def _connect(_flags: int, reader: Reader) -> Connect:
    name, level = reader.string(), reader.byte()
    if (name, level) != ("MQTT", 4):
        kind = VersionError if name == "MQTT" else ProtocolError
        raise kind(f"protocol {name!r} level {level}; the edge hub speaks MQTT level 4 (3.1.1)")
    flags = reader.byte()
    if flags & 1:
        raise ProtocolError("the reserved flag of CONNECT is set")
    keep_alive = reader.integer()
    client_id = reader.string()
    will = Will(reader.string(), reader.binary(), bool(flags & 0x20)) if flags & 4 else None
    if flags >> 3 & 3 > (1 if will else 0) or (flags & 0x20 and not will):
        raise ProtocolError(
            f"the flags {flags:#x} of CONNECT ask for a will of QoS {flags >> 3 & 3}; IoT Hub has 0 and 1"
        )
    user_name = reader.string() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    return Connect(client_id, bool(flags & 2), keep_alive, user_name, password, will)


def _connack(_flags: int, reader: Reader) -> Connack:
    return Connack(bool(reader.byte() & 1), reader.byte())


def _publish(flags: int, reader: Reader) -> Publish:
    qos = flags >> 1 & 3
    if qos > 1:
        raise ProtocolError(f"PUBLISH of QoS {qos}; IoT Hub has 0 and 1")
    topic = reader.string()
    packet_id = reader.packet_id() if qos else 0
    return Publish(topic, reader.rest(), qos, packet_id, bool(flags & 8), bool(flags & 1))


def _puback(_flags: int, reader: Reader) -> Puback:
    return Puback(reader.packet_id())


def _subscribe(_flags: int, reader: Reader) -> Subscribe:
    packet_id = reader.packet_id()
    filters: list[tuple[str, int]] = []
    while not reader.finished():
        filters.append((reader.string(), reader.byte()))
    if not filters or any(qos > 2 for _, qos in filters):
        raise ProtocolError(f"SUBSCRIBE with {filters!r}: at least one filter, of QoS 0 to 2")
    return Subscribe(packet_id, filters)


def _suback(_flags: int, reader: Reader) -> Suback:
    return Suback(reader.packet_id(), list(reader.rest()))


def _unsubscribe(_flags: int, reader: Reader) -> Unsubscribe:
    packet_id = reader.packet_id()
    filters: list[str] = []
    while not reader.finished():
        filters.append(reader.string())
    if not filters:
        raise ProtocolError("UNSUBSCRIBE without a filter")
    return Unsubscribe(packet_id, filters)


def _unsuback(_flags: int, reader: Reader) -> Unsuback:
    return Unsuback(reader.packet_id())


def _ping(_flags: int, _reader: Reader) -> Ping:
    return Ping()


def _pong(_flags: int, _reader: Reader) -> Pong:
    return Pong()


def _disconnect(_flags: int, _reader: Reader) -> Disconnect:
    return Disconnect()


# By packet type: the flags that the standard fixes (none for PUBLISH), and what reads the body.
PARSERS: dict[int, tuple[int | None, Callable[[int, Reader], Packet]]] = {
    CONNECT: (0, _connect),
    CONNACK: (0, _connack),
    PUBLISH: (None, _publish),
    PUBACK: (0, _puback),
    SUBSCRIBE: (2, _subscribe),
    SUBACK: (0, _suback),
    UNSUBSCRIBE: (2, _unsubscribe),
    UNSUBACK: (0, _unsuback),
    PINGREQ: (0, _ping),
    PINGRESP: (0, _pong),
    DISCONNECT: (0, _disconnect),
}


class Decoder:
    """Packets from a stream of bytes, in whatever pieces it comes.

    Args:
        largest: The most bytes of a packet, without its first ones.
    """

    def __init__(self, largest: int = LARGEST_PACKET) -> None:
        self._largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Take bytes; yield each packet that is whole.

        Raises:
            ProtocolError: The bytes are not MQTT 3.1.1; the stream is of no use from here on.
        """
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while (header := self._header(position)) is not None:
                start, end = header
                first = buffer[position]
                body = bytes(buffer[start:end])
                position = end
                yield self._packet(first, body)
        finally:
            del buffer[:position]

    def _header(self, position: int) -> tuple[int, int] | None:
        """Where the body of the packet at `position` starts and ends; None if not all of it is there."""
        buffer = self._buffer
        length = 0
        for index in range(4):
            if position + 1 + index >= len(buffer):
                return None
            digit = buffer[position + 1 + index]
            length |= (digit & 0x7F) << (7 * index)
            if digit < 0x80:
                break
        else:
            raise ProtocolError("a packet's length has more than four bytes")
        if length > self._largest:
            raise ProtocolError(f"a packet of {length} bytes; the edge hub takes {self._largest} at most")
        start = position + 2 + index
        return (start, start + length) if start + length <= len(buffer) else None

    @staticmethod
    def _packet(first: int, body: bytes) -> Packet:
        kind, flags = first >> 4, first & 0x0F
        if kind not in PARSERS:
            raise ProtocolError(f"packet type {kind} is none that a client of the edge hub sends")
        fixed, parser = PARSERS[kind]
        if fixed is not None and flags != fixed:
            raise ProtocolError(f"packet type {kind} has flags {flags:#x}, the standard says {fixed:#x}")
        reader = Reader(body)
        packet = parser(flags, reader)
        if not reader.finished():
            raise ProtocolError(f"packet type {kind} has {reader.end - reader.position} bytes too many")
        return packet


def _frame(first: int, *parts: bytes) -> bytes:
    length = sum(map(len, parts))
    header = bytearray((first,))
    while True:
        digit, length = length & 0x7F, length >> 7
        header.append(digit | 0x80 if length else digit)
        if not length:
            return b"".join((header, *parts))


def _sized(data: bytes) -> bytes:
    if len(data) > LONGEST_STRING:
        raise ProtocolError(f"a string of {len(data)} bytes; MQTT has {LONGEST_STRING} at most")
    return struct.pack(">H", len(data)) + data


def encode_connect(packet: Connect) -> bytes:
    """CONNECT."""
    flags = packet.clean_session << 1 | (packet.user_name is not None) << 7 | (packet.password is not None) << 6
    if packet.will is not None:
        # Of QoS 1, as what is sent to IoT Hub should be.
        flags |= 0x0C | packet.will.retain << 5
    parts = [b"\0\4MQTT\4", struct.pack(">BH", flags, packet.keep_alive), _sized(packet.client_id.encode())]
    if packet.will is not None:
        parts += [_sized(packet.will.topic.encode()), _sized(packet.will.body)]
    if packet.user_name is not None:
        parts.append(_sized(packet.user_name.encode()))
    if packet.password is not None:
        parts.append(_sized(packet.password))
    return _frame(CONNECT << 4, *parts)


def encode_connack(code: int, *, session_present: bool = False) -> bytes:
    """CONNACK."""
    return bytes((CONNACK << 4, 2, session_present, code))


def encode_publish(topic: str, body: bytes, packet_id: int = 0, *, duplicate: bool = False) -> bytes:
    """PUBLISH; QoS 1 if there is a packet identifier.

    Args:
        topic: Up to 65,535 bytes in UTF-8.
        body: The message.
        packet_id: 1 to 65,535 for QoS 1; 0: QoS 0.
        duplicate: Whether it may have been sent before.
    """
    first = PUBLISH << 4 | duplicate << 3 | (packet_id > 0) << 1
    identifier = struct.pack(">H", packet_id) if packet_id else b""
    return _frame(first, _sized(topic.encode()), identifier, body)


def encode_puback(packet_id: int) -> bytes:
    """PUBACK."""
    return struct.pack(">BBH", PUBACK << 4, 2, packet_id)


def encode_subscribe(packet_id: int, filters: list[tuple[str, int]]) -> bytes:
    """SUBSCRIBE."""
    parts = [part for name, qos in filters for part in (_sized(name.encode()), bytes((qos,)))]
    return _frame(SUBSCRIBE << 4 | 2, struct.pack(">H", packet_id), *parts)


def encode_suback(packet_id: int, codes: list[int]) -> bytes:
    """SUBACK."""
    return _frame(SUBACK << 4, struct.pack(">H", packet_id), bytes(codes))


def encode_unsuback(packet_id: int) -> bytes:
    """UNSUBACK."""
    return struct.pack(">BBH", UNSUBACK << 4, 2, packet_id)


PONG = bytes((PINGRESP << 4, 0))
PING = bytes((PINGREQ << 4, 0))
GOODBYE = bytes((DISCONNECT << 4, 0))
