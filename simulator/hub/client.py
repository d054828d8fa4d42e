"""Delivery to one client: a message at a time (or a few, if told so), until it is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple
from urllib.parse import quote

from simulator.errors import ProtocolError
from simulator.hub import subscriptions
from simulator.hub.disturbance import Disturbance
from simulator.hub.queue import EndpointQueue, Item
from simulator.identity import Identity
from simulator.message import to_bag
from simulator.mqtt import packets
from simulator.mqtt.connection import FIRST_CONTROL_ID, Connection

log = logging.getLogger(__name__)

# As the real hub: how long it waits for PUBACK, and the shortest and longest pause before it tries again.
PUBACK_TIMEOUT = 30.0
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Terms(NamedTuple):
    """On what terms messages are delivered; as they are, the real hub's.

    Attributes:
        puback_timeout: Seconds that a client has for its PUBACK.
        in_flight: Messages on their way to a client at once, across all its inputs.
    """

    puback_timeout: float = PUBACK_TIMEOUT
    in_flight: int = 1


EDGE_HUB = Terms()


class Client:
    """What one client is sent, in order.

    Attributes:
        identity: The client.
        queue: What waits for it.
        connection: Where it is connected now, if it is.
        subscriptions: The topic filters of its session, with QoS.
        session: Whether there is a session to come back to.
    """

    def __init__(self, identity: Identity, disturbance: Disturbance, terms: Terms) -> None:
        self.identity = identity
        self.queue: EndpointQueue
        self.connection: Connection | None = None
        self.subscriptions: dict[str, int] = {}
        self.session = False
        self._disturbance = disturbance
        self._puback_timeout, self._most = terms
        self._inflight: dict[int, Item] = {}  # by packet id, in the order in which they were sent
        self._packet_id = 0
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def subscribed(self) -> bool:
        """Whether the client is connected and takes messages."""
        return self.connection is not None and subscriptions.takes_messages(self.subscriptions)

    def tell(self, topic: str, body: bytes) -> None:
        """Send an answer or a request about twins and methods, if the client is there and has asked for such."""
        qos = subscriptions.quality(self.subscriptions, topic)
        if self.connection is not None and qos is not None:
            self.connection.send_control(topic, body, qos)

    @property
    def pending(self) -> int:
        """How many messages wait, that in flight included."""
        return self.queue.length

    def pump(self) -> None:
        """Send what waits, as far as the client is there, wants it, and may have more in flight."""
        while len(self._inflight) < self._most and self._reachable():
            item = self.queue.take(self._disturbance.now(), reread=not self._inflight)
            if item is None:
                return
            self._packet_id = self._packet_id % (FIRST_CONTROL_ID - 1) + 1
            if self._sent(self._packet_id, item):
                self._inflight[self._packet_id] = item
                self._tries = max(self._tries, 1)
                self._start_timer()
            else:
                self.queue.remove(item)

    def resume(self) -> None:
        """The client is there again: send what was in flight, and what waits."""
        if self._inflight and self._reachable():
            self._stop_timer()
            self._again()
        else:
            self.pump()

    def wanted(self) -> None:
        """The client has subscribed: send what was in flight when its session was lost, or what waits."""
        if self._timer is None:
            self.resume()

    def acknowledged(self, packet_id: int) -> None:
        """The client has taken a message."""
        item = self._inflight.pop(packet_id, None)
        if item is None:
            return
        self._stop_timer()
        self._tries = min(len(self._inflight), 1)
        self.queue.remove(item)
        if self._inflight:
            self._start_timer()
        self.pump()

    def detach(self) -> None:
        """The client is away; what is in flight waits for it."""
        self.connection = None
        self._stop_timer()

    def _reachable(self) -> bool:
        return self.connection is not None and self.connection.open and self.subscribed

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._puback_timeout, self._unanswered)

    def _sent(self, packet_id: int, item: Item) -> bool:
        """Send a message; return whether it is to be acknowledged, as otherwise it is done, or cannot be sent."""
        where = f"{self.identity.resource}/inputs/{quote(item.input, safe='')}/"
        qos = subscriptions.quality(self.subscriptions, where)
        if self.connection is None or qos is None:
            log.error("a message for %s is dropped: it has not subscribed to %s", self.identity.client_id, where)
            return False
        # The sender may choose less.
        acknowledged = qos > 0 and item.message.properties.get("mqtt-qos") != "0"
        identifier = packet_id if acknowledged else 0
        try:
            packet = packets.encode_publish(where + to_bag(item.message), item.message.body, identifier)
        except ProtocolError as error:
            # Percent-encoded, properties can be three times as long as they came; none behind them waits for it.
            log.error("a message for %s is dropped: %s", self.identity.client_id, error)
            return False
        self.connection.send(packet)
        return acknowledged

    def _unanswered(self) -> None:
        pause = min(SHORTEST_PAUSE * 2 ** (self._tries - 1), LONGEST_PAUSE)
        log.warning(
            "%s has not acknowledged a message within %g s; next try in %g s",
            self.identity.client_id,
            self._puback_timeout,
            pause,
        )
        self._timer = asyncio.get_running_loop().call_later(pause, self._again)

    def _again(self) -> None:
        """Send once more, in order, what is in flight and has not expired; each is a new PUBLISH, as there."""
        self._timer = None
        now = self._disturbance.now()
        for packet_id, item in list(self._inflight.items()):
            if item.expires <= now:
                del self._inflight[packet_id]
                self.queue.drop(item)
        if self._inflight and self._reachable():
            self._tries += 1
            for packet_id, item in list(self._inflight.items()):
                if not self._sent(packet_id, item):
                    del self._inflight[packet_id]
                    self.queue.remove(item)
            if self._inflight:
                self._start_timer()
        self.pump()
