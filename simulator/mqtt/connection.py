"""One client's connection to the hub: MQTT 3.1.1 over TLS."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast
from urllib.parse import parse_qs

from simulator.errors import ProtocolError, VersionError
from simulator.identity import Identity, TokenError
from simulator.mqtt import packets
from simulator.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Ping,
    Puback,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
)

log = logging.getLogger(__name__)

# As there: the time for a client to introduce itself, and the longest keep-alive time, which none at all stands for.
PATIENCE = 60.0
LONGEST_KEEP_ALIVE = 600
# A client with so many messages not yet stored is read no further until half of them are.
MAX_UNSTORED = 1_000
# A client that asks and does not read the answers is cut off with so many bytes unsent.
MAX_UNSENT = 4_194_304
# Packet identifiers: below for messages, from here on for twins and methods, so that they never meet.
FIRST_CONTROL_ID = 0x8000
LAST_CONTROL_ID = 0xFFFF


class Broker(Protocol):
    """What a connection asks of the hub.

    Attributes:
        connections: All that are open, or about to close; each adds itself and leaves.
    """

    connections: set[Connection]

    @property
    def running(self) -> bool:
        """Whether clients can connect."""

    def admit(self, packet: Connect) -> tuple[Identity, float]:
        """Who a CONNECT is from, and for how many seconds it is good; raises TokenError."""

    def attach(self, connection: Connection, identity: Identity, *, clean: bool) -> bool:
        """Take a client that has been let in; whether it has a session to come back to.

        Args:
            connection: By which the client has come.
            identity: Who it is.
            clean: It wants no session: nothing that was, and nothing kept.
        """

    def detached(self, connection: Connection) -> None:
        """Hear that a connection is of no more use to its client."""

    def bequeathed(self, connection: Connection, identity: Identity, will: Will) -> None:
        """Hear of the will of a client that has gone without a goodbye.

        Args:
            connection: That has ended.
            identity: Whose it was.
            will: What is to be said for it.
        """

    def resume(self, identity: Identity) -> None:
        """Send a client what waits for it."""

    def acknowledged(self, identity: Identity, packet_id: int) -> None:
        """Hear that a client has sent PUBACK."""

    def acknowledge_after(self, identity: Identity) -> float | None:
        """For how many seconds a client waits for its PUBACK once its message is stored; None is for ever."""

    def subscribe(self, connection: Connection, identity: Identity, packet: Subscribe) -> None:
        """Take filters, and answer.

        Args:
            connection: By which it came, and is answered.
            identity: Whose filters they are.
            packet: The filters, with the QoS that is asked for.
        """

    def unsubscribe(self, connection: Connection, identity: Identity, packet: Unsubscribe) -> None:
        """Forget filters, and answer.

        Args:
            connection: By which it came, and is answered.
            identity: Whose filters they are.
            packet: The filters.
        """

    def published(self, connection: Connection, identity: Identity, packet: Publish) -> None:
        """Take what a client has published, and call `stored` once it is on disk.

        Args:
            connection: By which it came.
            identity: Who has sent it.
            packet: Topic, body, QoS and packet identifier.
        """


class Connection(asyncio.Protocol):
    """Takes packets from one client and hands them to the hub.

    Attributes:
        identity: Who it is, once it is let in.
        model: The id of the plug and play model that it says it follows, "" for none.
    """

    def __init__(self, hub: Broker) -> None:
        self.hub = hub
        self.identity: Identity | None = None
        self.model = ""
        self._will: Will | None = None
        self._transport: asyncio.Transport | None = None
        self._closing: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._decoder = packets.Decoder()
        self._unsent: list[bytes] = []
        self._unstored = 0
        self._heard = self._loop.time()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._control_id = FIRST_CONTROL_ID

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TLS handshake is done."""
        self._transport = cast("asyncio.Transport", transport)
        if not self.hub.running:
            # It began before the hub was stopped.
            self._transport.abort()
            self._transport = None
            return
        self.hub.connections.add(self)
        self.after("patience", PATIENCE, self._not_introduced)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._heard = self._loop.time()
        try:
            for packet in self._decoder.feed(data):
                if self._transport is None:
                    return
                self._handle(packet)
        except ProtocolError as error:
            if isinstance(error, VersionError) and self.identity is None:
                self.send(packets.encode_connack(packets.REFUSED_VERSION))
            self.drop(str(error))

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        if self._transport is not None:
            log.info("%s is gone%s", self.name, f": {error}" if error else "")
            self._forget()
        self._closing = None
        self.hub.connections.discard(self)

    # For the hub

    @property
    def name(self) -> str:
        """The client id, or that it has none yet."""
        return self.identity.client_id if self.identity else "a client that has not said who it is"

    @property
    def open(self) -> bool:
        """Whether bytes can still be sent."""
        return self._transport is not None

    def drop(self, why: str) -> None:
        """End the connection, with a line in the log."""
        if self._transport is not None:
            log.warning("%s is disconnected: %s", self.name, why)
            self._flush()
            self._transport.close()
            self._forget()

    def abort(self) -> None:
        """End the connection at once, as a hub that dies does."""
        transport = self._transport or self._closing
        if transport is not None:
            transport.abort()
        if self._transport is not None:
            self._forget()

    def cut(self, *, reset: bool) -> None:
        """Send half a packet, and end the TCP connection without a word of TLS.

        Args:
            reset: With a TCP reset; otherwise by shutting it down in both directions, on which the SDK's thread that
                is about to write gets an SSLEOFError.
        """
        if self._transport is None:
            return
        packet = packets.encode_publish("$cut", bytes(1024), 1)
        self._transport.write(b"".join(self._unsent) + packet[: len(packet) // 2])
        raw: socket.socket | None = self._transport.get_extra_info("socket")
        if raw is not None and reset:
            # Linger 0 makes close() send a reset.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif raw is not None:
            raw.shutdown(socket.SHUT_RDWR)
        log.warning("%s: TLS is cut in mid-write", self.name)
        self._transport.abort()
        self._forget()

    def send(self, data: bytes) -> None:
        """Send bytes; those of one turn of the event loop go together."""
        if self._transport is None:
            return
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)

    def send_control(self, topic: str, body: bytes, qos: int) -> None:
        """Send an answer or a request about twins and methods.

        Args:
            topic: Where it goes.
            body: JSON.
            qos: Which the client was granted.
        """
        self._control_id = FIRST_CONTROL_ID if self._control_id == LAST_CONTROL_ID else self._control_id + 1
        self.send(packets.encode_publish(topic, body, self._control_id if qos else 0))

    def stored(self, packet_id: int) -> None:
        """Acknowledge a message, once it has been stored."""
        self._unstored -= 1
        if self._transport is not None and self._unstored == MAX_UNSTORED // 2:
            self._transport.resume_reading()
        seconds = self.hub.acknowledge_after(self.identity) if packet_id and self.identity is not None else None
        if seconds is None:
            return
        if seconds:
            self._loop.call_later(seconds, self.send, packets.encode_puback(packet_id))
        else:
            self.send(packets.encode_puback(packet_id))

    def expire(self, seconds: float) -> None:
        """Let the client's token end in so many seconds, and its connection with it."""
        if self._transport is not None and self.identity is not None:
            self._cancel("token")
            self.after("token", seconds, lambda: self.drop("its token has expired"))

    def after(self, timer: str, seconds: float, act: Callable[[], None]) -> None:
        """Do something later, if the connection is still there.

        Args:
            timer: By which it can be cancelled.
            seconds: From now.
            act: What to do.
        """
        self._timers[timer] = self._loop.call_later(seconds, act)

    # Inside

    def _cancel(self, timer: str) -> None:
        if (handle := self._timers.pop(timer, None)) is not None:
            handle.cancel()

    def _forget(self) -> None:
        # TLS may take a while to end in good order.
        self._closing, self._transport = self._transport, None
        self._unsent.clear()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self.hub.detached(self)
        if self._will is not None and self.identity is not None:
            will, self._will = self._will, None
            self.hub.bequeathed(self, self.identity, will)

    def _flush(self) -> None:
        if self._transport is None or not self._unsent:
            return
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            log.warning("%s is disconnected: it does not read what it is sent", self.name)
            self.abort()

    def _not_introduced(self) -> None:
        if self.identity is None:
            self.drop(f"no CONNECT within {PATIENCE:.0f} s")

    def _watch(self, longest_silence: float) -> None:
        silence = self._loop.time() - self._heard
        if silence >= longest_silence:
            self.drop(f"nothing heard for {silence:.0f} s")
        else:
            self.after("watch", longest_silence - silence, lambda: self._watch(longest_silence))

    def _handle(self, packet: Packet) -> None:
        if self.identity is not None:
            self._serve(packet, self.identity)
        elif isinstance(packet, Connect):
            self._connect(packet)
        else:
            raise ProtocolError(f"{type(packet).__name__} before CONNECT")

    def _serve(self, packet: Packet, identity: Identity) -> None:
        match packet:
            case Publish():
                self._publish(packet, identity)
            case Puback():
                if packet.packet_id < FIRST_CONTROL_ID:
                    self.hub.acknowledged(identity, packet.packet_id)
            case Subscribe():
                self.hub.subscribe(self, identity, packet)
            case Unsubscribe():
                self.hub.unsubscribe(self, identity, packet)
            case Ping():
                self.send(packets.PONG)
            case Disconnect():
                self._leave()
            case _:
                raise ProtocolError(f"a client does not send {type(packet).__name__}")

    def _leave(self) -> None:
        log.info("%s has left", self.name)
        self._will = None
        if self._transport is not None:
            self._transport.close()
        self._forget()

    def _connect(self, packet: Connect) -> None:
        try:
            identity, good_for = self.hub.admit(packet)
        except TokenError as error:
            self.send(packets.encode_connack(packets.NOT_AUTHORIZED))
            self.drop(f"{packet.client_id!r} is refused: {error}")
            return
        self.identity, self._will = identity, packet.will
        self.model = parse_qs((packet.user_name or "").partition("?")[2]).get("model-id", [""])[0]
        present = self.hub.attach(self, identity, clean=packet.clean_session)
        self.expire(good_for)
        self.send(packets.encode_connack(packets.ACCEPTED, session_present=present))
        log.info("%s has connected", self.name)
        # The standard lets a client be silent for one and a half times its keep-alive time.
        self._watch(1.5 * min(packet.keep_alive or LONGEST_KEEP_ALIVE, LONGEST_KEEP_ALIVE))
        self.hub.resume(identity)

    def _publish(self, packet: Publish, identity: Identity) -> None:
        self._unstored += 1
        if self._unstored == MAX_UNSTORED and self._transport is not None:
            self._transport.pause_reading()
        self.hub.published(self, identity, packet)
