"""A bare MQTT client of the hub, for tests and benchmarks that must see every packet."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from simulator.identity import Identity, token
from simulator.mqtt import packets
from simulator.mqtt.packets import Connack, Connect, Packet, Puback, Publish, Suback

# What the hub adds to a message, it may deliver: a topic has 64 KB at most, by its length field.
LARGEST_DELIVERY = packets.LARGEST_PACKET + 65_535


class BareClient:
    """One connection to the hub; nothing is acknowledged or answered unless the caller does it.

    Args:
        address: The hub's.
        hub_name: The IoT Hub's host name.
        identity: Who the client is.
        trust_bundle: The certificate that it trusts.
    """

    def __init__(self, address: str, hub_name: str, identity: Identity, trust_bundle: Path) -> None:
        self.identity = identity
        self._address = address
        self._hub_name = hub_name
        self._context = ssl.create_default_context(cafile=str(trust_bundle))
        self._decoder = packets.Decoder(LARGEST_DELIVERY)
        self._packets: list[Packet] = []
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._last_id = 0

    async def open(self) -> None:
        """Connect TLS, and say nothing."""
        self._decoder = packets.Decoder(LARGEST_DELIVERY)
        self._packets.clear()
        self._reader, self._writer = await asyncio.open_connection(self._address, packets.PORT, ssl=self._context)

    async def connect(self, *, clean: bool = False, keep_alive: int = 0, life: float = 3600) -> Connack:
        """Connect, and introduce itself with a fresh token.

        Args:
            clean: Without a session.
            keep_alive: Seconds that it may be silent; 0: for ever.
            life: Seconds that its token is good for.
        """
        await self.open()
        password = token(self.identity, self._hub_name, int(time.time() + life)).encode()
        user = f"{self._hub_name}/{self.identity.client_id}/?api-version=2019-10-01"
        self.write(packets.encode_connect(Connect(self.identity.client_id, clean, keep_alive, user, password)))
        answer = await self.read()
        if not isinstance(answer, Connack):
            raise TypeError(f"the hub answers CONNECT with {answer}")
        return answer

    async def close(self) -> None:
        """Close the connection without DISCONNECT."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._writer is not None:
            self._writer.write(data)

    async def read(self) -> Packet:
        """The next packet.

        Raises:
            ConnectionResetError: The hub has closed the connection.
        """
        while not self._packets:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError("the hub has closed the connection")
            self._packets += self._decoder.feed(data)
        return self._packets.pop(0)

    async def read_publish(self) -> Publish:
        """The next message; other packets are passed over."""
        while not isinstance(packet := await self.read(), Publish):
            pass
        return packet

    async def subscribe(self, *filters: str) -> list[int]:
        """Subscribe with QoS 1 (without arguments, to messages); return the hub's codes."""
        names = filters or (
            f"{self.identity.resource}/{'inputs' if self.identity.module else 'messages/devicebound'}/#",
        )
        self.write(packets.encode_subscribe(self.next_id(), [(name, 1) for name in names]))
        while not isinstance(packet := await self.read(), Suback):
            pass
        return packet.codes

    def publish(self, body: bytes, *, output: str | None = None, bag: str = "") -> int:
        """Send a message with QoS 1; return its packet identifier.

        Args:
            body: The message.
            output: Of a module; None: no output is named.
            bag: Properties, as a topic has them.
        """
        parts = ([f"%24.on={output}"] if output else []) + ([bag] if bag else [])
        packet_id = self.next_id()
        self.write(
            packets.encode_publish(f"{self.identity.resource}/messages/events/{'&'.join(parts)}", body, packet_id)
        )
        return packet_id

    async def send(self, body: bytes, *, output: str | None = None, bag: str = "") -> None:
        """Send a message and wait until the hub has it.

        Args:
            body: The message.
            output: Of a module; None: no output is named.
            bag: Properties, as a topic has them.
        """
        packet_id = self.publish(body, output=output, bag=bag)
        while (await self.read()) != Puback(packet_id):
            pass

    def acknowledge(self, packet: Publish) -> None:
        """Send PUBACK."""
        self.write(packets.encode_puback(packet.packet_id))

    def next_id(self) -> int:
        """A packet identifier."""
        self._last_id = self._last_id % 0xFFFF + 1
        return self._last_id
