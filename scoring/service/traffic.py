"""Traffic: how many requests are under way, and no more than may be."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler

from scoring.service.connections import Connections
from scoring.service.limits import Limits
from scoring.service.meters import ServiceMeters
from scoring.service.refusal import come_again


class Traffic:
    """The requests that are being read, scored or answered.

    Attributes:
        running: How many there are.
        ending: No more are let in.
    """

    def __init__(self, limits: Limits, connections: Connections, meters: ServiceMeters) -> None:
        """Begin without any.

        Args:
            limits: How many may be under way.
            connections: By which they come.
            meters: Show how full both are.
        """
        self.running = 0
        self.ending = False
        self._most = limits.requests
        self._connections = connections
        self._changed = asyncio.Event()
        meters.gauge("running_requests", "Requests that are being read, scored or answered", lambda: self.running)
        meters.gauge("running_requests_limit", "How many may be; more are told to come again", lambda: limits.requests)
        meters.gauge("connections", "Connections of callers", lambda: len(connections))
        meters.gauge("connections_limit", "How many may be; more are told to come again", lambda: limits.connections)

    @property
    def is_one_request(self) -> bool:
        """Whether just one request is under way."""
        return self.running == 1

    @property
    def is_one_caller(self) -> bool:
        """Whether there is but one connection, so that no other request can come at the same time."""
        return len(self._connections) == 1

    def admitted(self, handler: Handler) -> Handler:
        """A handler to which requests come as many as may be under way; others are told to come again."""

        async def admit(request: web.Request) -> web.StreamResponse:
            self.refuse_at_the_end()
            if self.running >= self._most:
                raise come_again("overloaded", f"{self.running} requests are running; come again a little later")
            self.running += 1
            try:
                return await handler(request)
            finally:
                self.running -= 1
                self._changed.set()

        return admit

    def refuse_at_the_end(self) -> None:
        """Let nobody in who comes too late.

        Raises:
            Refusal: The service is ending.
        """
        if self.ending:
            raise come_again("ending", "the service is ending")

    async def is_over_in(self, seconds: float) -> bool:
        """Whether all requests have ended, within a time."""
        try:
            async with asyncio.timeout(seconds):
                while self.running:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True
