"""The service's process: it serves until it is told to end, and then ends what runs."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from scoring.service.app import Service

log = logging.getLogger(__name__)

# Requests have had their time to end before.
_CLOSING_SECONDS = 1.0
# How long what a refused caller still sends is read, so that it sees the refusal before the connection's end.
_LINGERING_SECONDS = 2.0


async def serve(service: Service, host: str, port: int, listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        service: What to serve.
        host: The address to listen at.
        port: The port; 0: any that is free.
        listening: Told the service's address once it answers.

    Raises:
        OSError: The address cannot be listened at.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # It logs malformed requests with their headers, and a key may be among them; what fails in a handler is logged
    # by the service.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    # What is there by now stays, and need not be looked through again and again while requests wait.
    gc.collect()
    gc.freeze()
    async with served(service, host, port) as address:
        listening(address)
        await stop.wait()


@asynccontextmanager
async def served(service: Service, host: str, port: int) -> AsyncIterator[str]:
    """Serve while the context is open, and give the address; at its end refuse what comes and end what runs.

    Args:
        service: What to serve.
        host: The address to listen at.
        port: The port; 0: any that is free.

    Raises:
        OSError: The address cannot be listened at.
    """
    # Bodies are inflated within their limits (body.py), which aiohttp's own way does not know.
    runner = web.AppRunner(
        service.application,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=service.limits.seconds,
        lingering_time=_LINGERING_SECONDS,
        shutdown_timeout=_CLOSING_SECONDS,
    )
    await runner.setup()
    if not (server := runner.server):
        raise RuntimeError("aiohttp's runner has no server after its set-up")
    try:
        async with service.connections.open(server, host, port) as listening:
            bound_host, bound_port = listening.sockets[0].getsockname()[:2]
            yield f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
        await service.end()
    finally:
        await runner.cleanup()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
