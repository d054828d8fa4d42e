"""Delivery to one client: a message at a time, until it is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote

from simulator import mqtt
from simulator.connection import FIRST_CONTROL_ID, Connection
from simulator.disturbance import Disturbance
from simulator.identity import Identity
from simulator.message import to_bag
from simulator.queue import EndpointQueue, Item

logger = logging.getLogger(__name__)

# As the real hub: how long it waits for PUBACK, and the shortest and longest pause before it tries again.
PUBACK_TIMEOUT = 30.0
SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


class Outbox:
    """What one client is sent, in order, one in flight across all its inputs.

    Attributes:
        identity: the client.
        queue: what waits for it.
        connection: where it is connected now, if it is.
        subscriptions: the topic filters of its session, with QoS.
        session: whether there is a session to come back to.
    """

    def __init__(self, identity: Identity, disturbance: Disturbance, puback_timeout: float) -> None:
        self.identity = identity
        self.queue: EndpointQueue
        self.connection: Connection | None = None
        self.subscriptions: dict[str, int] = {}
        self.session = False
        self._disturbance = disturbance
        self._puback_timeout = puback_timeout
        self._inflight: Item | None = None
        self._packet_id = 0
        self._tries = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def filter(self) -> str:
        """The topic filter under which messages are delivered."""
        kind = "inputs" if self.identity.module else "messages/devicebound"
        return f"{self.identity.resource}/{kind}/#"

    @property
    def pending(self) -> int:
        """How many messages wait, that in flight included."""
        return self.queue.length

    def pump(self) -> None:
        """Send the next message if the client is there, wants it, and has none in flight."""
        if self._inflight is not None or not self._reachable():
            return
        item = self.queue.take(self._disturbance.now())
        if item is None:
            return
        self._inflight = item
        self._packet_id = self._packet_id % (FIRST_CONTROL_ID - 1) + 1
        self._tries = 0
        self._send()

    def resume(self) -> None:
        """The client is there again: send what was in flight, or the next."""
        if self._inflight is not None and self._reachable():
            self._stop_timer()
            self._again()
        else:
            self.pump()

    def wanted(self) -> None:
        """The client has subscribed: send what was in flight when its session was lost, or the next."""
        if self._timer is None:
            self.resume()

    def acknowledged(self, packet_id: int) -> None:
        """The client has taken a message."""
        if self._inflight is None or packet_id != self._packet_id:
            return
        self._stop_timer()
        item, self._inflight = self._inflight, None
        self.queue.remove(item)
        self.pump()

    def detach(self) -> None:
        """The client is away; what is in flight waits for it."""
        self.connection = None
        self._stop_timer()

    def _reachable(self) -> bool:
        return self.connection is not None and self.connection.open and self.filter in self.subscriptions

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send(self) -> None:
        item, connection = self._inflight, self.connection
        if item is None or connection is None:
            return
        self._tries += 1
        where = self.filter.removesuffix("#")
        if item.input:
            where += f"{quote(item.input, safe='')}/"
        packet = mqtt.encode_publish(
            where + to_bag(item.message), item.message.body, self._packet_id, duplicate=self._tries > 1
        )
        connection.send(packet)
        self._timer = asyncio.get_running_loop().call_later(self._puback_timeout, self._unanswered)

    def _unanswered(self) -> None:
        pause = min(SHORTEST_PAUSE * 2 ** (self._tries - 1), LONGEST_PAUSE)
        logger.warning(
            "%s has not acknowledged a message within %g s; next try in %g s",
            self.identity.client_id,
            self._puback_timeout,
            pause,
        )
        self._timer = asyncio.get_running_loop().call_later(pause, self._again)

    def _again(self) -> None:
        self._timer = None
        item = self._inflight
        if item is not None and item.expires <= self._disturbance.now():
            self._inflight = None
            self.queue.drop(item)
            self.pump()
        elif self._reachable():
            self._send()
