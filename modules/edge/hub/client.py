"""A module's connection to edgeHub, which comes back by itself.

Each connection is a new client of the SDK: after a loss nothing of the old one is relied on, neither that it still
reconnects, nor that edgeHub remembers its subscriptions, nor that its calls return.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

from modules.edge.hub import sdk
from modules.edge.hub.connection import HubConnection, chain
from modules.edge.hub.message import OutputMessage
from modules.edge.hub.reporter import Reporter
from modules.edge.hub.twin import ModuleTwin

log = logging.getLogger(__name__)

# edgeHub's own backoff towards the cloud: 1 s, doubled to a minute.
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# While the hub takes connections: what it ends them on is found after three, and others' messages wait for that.
LONGEST_PAUSE_OF_A_HUB_SECONDS = 10.0


class Pauses:
    """How long to wait between two connections."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_SECONDS

    def after(self, connection: HubConnection | None) -> float:
        """Seconds to wait after a connection, or after none could be made.

        Each wait is twice the one before. It is the first again after a connection that has carried a message, unless
        its loss was the answer to one of our own sends.
        """
        if connection is not None:
            self._next = min(self._next, LONGEST_PAUSE_OF_A_HUB_SECONDS)
            if connection.carried and not connection.was_answer:
                self._next = FIRST_PAUSE_SECONDS
        pause, self._next = self._next, min(2 * self._next, LONGEST_PAUSE_SECONDS)
        return pause


class EdgeClient:
    """Keeps a module connected, sends its messages, and keeps its twin.

    Attributes:
        connections: How often a connection was made.
        stuck: How many lost clients did not end in their time; their threads would keep the process from ending.
    """

    def __init__(self, take: sdk.Take, twin: ModuleTwin) -> None:
        """Prepare a connection that `run` makes.

        Args:
            take: Called with each input's topic and body, in the network thread; True once it is stored.
            twin: Puts desired properties to use, and says what is to be reported.
        """
        self.connections = 0
        self.stuck = 0
        self._take = take
        self._twin = twin
        self._connection: HubConnection | None = None
        self._up = asyncio.Event()
        self._complaint = ""

    @property
    def is_connected(self) -> bool:
        """Whether messages can leave now."""
        return self._up.is_set()

    @property
    def carried(self) -> int:
        """How many messages have been acknowledged on the connection that stands."""
        return 0 if self._connection is None else self._connection.carried

    async def run(self) -> None:
        """Stay connected until cancelled; then disconnect."""
        pauses = Pauses()
        while True:
            pause = pauses.after(await self._hold_connection())
            # Spread, so that ten thousand devices do not come back in step.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret

    async def send(self, message: OutputMessage, *, alone: bool = False) -> None:
        """Send a message, as soon as there is a connection; returns once edgeHub has acknowledged it.

        Args:
            message: The message.
            alone: Nothing else is under way: if the connection ends, it is because of this.

        Raises:
            ValueError: It can never be sent.
            ConnectionLostError: The connection ended before.
        """
        while (connection := self._connection) is None:
            await self._up.wait()
        await connection.send(message, alone=alone)

    def report(self, properties: dict[str, Any]) -> None:
        """Say what is to stand in the reported properties; it is sent again whenever the hub does not have it."""
        self._twin.say(properties)

    async def _hold_connection(self) -> HubConnection | None:
        """Make a connection and hold it until it is lost; None if none could be made."""
        connection = None
        held = None
        try:
            connection = await HubConnection.make(self._take)
            await connection.enter()
            held = connection
            await self._hold(connection)
        except sdk.UnknownSdkError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK, requests and ssl raise without a common base
            self._complain(f"cannot connect to edgeHub: {chain(error)}")
        finally:
            self._up.clear()
            self._connection = None
            if connection is not None and not await connection.close():
                self.stuck += 1
        return held

    async def _hold(self, connection: HubConnection) -> None:
        self._connection = connection
        self.connections += 1
        self._complaint = ""
        self._up.set()
        log.info("connected to edgeHub, connection %d", self.connections)
        connection.accompany(Reporter(connection, self._twin).run())
        why = await connection.until_lost()
        log.warning("connection %d to edgeHub is lost: %s", self.connections, why)

    def _complain(self, complaint: str) -> None:
        """Log a complaint once, not at each of the retries that end in it again."""
        if complaint != self._complaint:
            log.warning("%s; trying on", complaint)
            self._complaint = complaint
