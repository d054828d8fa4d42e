"""Connections: as many as may be, and none for long that asks for nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

from scoring.service.refusal import Refusal, come_again, compact

BACKLOG = 64
"""How many the system keeps for us until we take them; as many are taken at once, and refused one by one."""
_OTHER_FILES = 192
"""Files that are not connections: the model, the log, libraries, and those that are just being refused."""


class Connections:
    """The connections of one server."""

    def __init__(self, most: int, seconds: float, refused: Callable[[Refusal], None]) -> None:
        """Prepare to take connections.

        Args:
            most: How many may be at once.
            seconds: How long one may be without a request.
            refused: Told of each that was refused, with what it was answered.
        """
        self._most = most
        self._seconds = seconds
        self._refused = refused
        self._server: web.Server | None = None
        self._coming = 0
        """Let in, and not yet among the server's: those that come together all pass by before the first is."""
        self._resting: dict[asyncio.BaseProtocol, float] = {}
        """Since when those are without a request that are."""

    def __len__(self) -> int:
        return self._coming + (len(self._server.connections) if self._server else 0)

    @asynccontextmanager
    async def open(self, server: web.Server, host: str, port: int) -> AsyncIterator[asyncio.Server]:
        """Listen, until the context ends; those that are there then stay.

        Args:
            server: Takes connections.
            host: The address to listen at.
            port: The port; 0: any that is free.

        Raises:
            OSError: The address cannot be listened at.
        """
        self._server = server
        listening = await asyncio.get_running_loop().create_server(
            lambda: self._taken(server), host, port, backlog=BACKLOG
        )
        leaving = asyncio.create_task(self._end_resting(server))
        try:
            yield listening
        finally:
            listening.close()
            leaving.cancel()
            await asyncio.wait([leaving])

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Leave a connection alone while it has a request: that has time limits of its own."""
        self._resting.pop(request.protocol, None)
        try:
            return await handler(request)
        finally:
            self._resting[request.protocol] = asyncio.get_running_loop().time()

    def _taken(self, server: web.Server) -> asyncio.BaseProtocol:
        if len(self) >= self._most:
            refusal = come_again("overloaded", f"{self._most} connections are open; come again a little later")
            self._refused(refusal)
            return _Refused(refusal)
        taken: asyncio.BaseProtocol = server()
        loop = asyncio.get_running_loop()
        self._resting[taken] = loop.time()
        self._coming += 1
        # asyncio tells the server of it by the very next callback after this one.
        loop.call_soon(self._come)
        return taken

    def _come(self) -> None:
        self._coming -= 1

    async def _end_resting(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(self._seconds / 10)
            there = server.connections
            self._resting = {each: self._resting[each] for each in there if each in self._resting}
            earliest = asyncio.get_running_loop().time() - self._seconds
            for connection in there:
                if self._resting.get(connection, earliest) < earliest:
                    _end(connection.transport)


def _end(transport: asyncio.Transport | None) -> None:
    if transport and transport.get_write_buffer_size():
        # The caller does not read the answer, for which `close` would wait.
        transport.abort()
    elif transport:
        transport.close()


class _Refused(asyncio.Protocol):
    """A connection that is one too many."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        told = compact(self._refusal.body())
        headers = {"Content-Type": "application/json", "Content-Length": str(len(told)), "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in (headers | self._refusal.headers).items())
        answered = cast("asyncio.Transport", transport)
        answered.write(f"HTTP/1.1 {self._refusal.status} Service Unavailable\r\n{head}\r\n{told}".encode())
        answered.close()


def most_connections() -> int:
    """How many connections the system's limit of open files leaves room for."""
    if sys.platform == "win32":
        # Sockets are no files there.
        return sys.maxsize
    import resource  # noqa: PLC0415 - there is none on Windows

    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if allowed == resource.RLIM_INFINITY else allowed - _OTHER_FILES
