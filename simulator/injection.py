"""Input for a module from outside, as the IoT Edge simulator takes it: `POST /api/v1/messages`."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3

from aiohttp import web

from simulator.errors import SimulatorError
from simulator.hub import Hub
from simulator.manifest import DEFAULT_PRIORITY, DEFAULT_TIME_TO_LIVE
from simulator.message import LARGEST_MESSAGE, Message
from simulator.routes import Delivery, Sink

logger = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
PORT = 53000
# The module that such messages come from, as there.
SENDER = "input"
# JSON can need six bytes for one.
LARGEST_REQUEST = 6 * LARGEST_MESSAGE


class InjectionServer:
    """Puts what it is sent into the queue of one module.

    Args:
        hub: the hub.
        module: the module that gets it.
    """

    def __init__(self, hub: Hub, module: str) -> None:
        self._hub = hub
        self._module = module
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = PORT) -> None:
        """Listen on 127.0.0.1, on another port if this one is taken."""
        self._hub.outbox(self._module)  # to refuse now what no message would reach
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_post("/api/v1/messages", self._inject)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, ADDRESS, port)
        try:
            await site.start()
        except OSError as error:
            logger.warning("port %d cannot be listened on (%s); taking a free one", port, error.strerror)
            await web.TCPSite(self._runner, ADDRESS, 0).start()
        self.port = self._runner.addresses[0][1]
        logger.info("POST http://%s:%d/api/v1/messages goes to %s", ADDRESS, self.port, self._module)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _inject(self, request: web.Request) -> web.Response:
        try:
            asked = json.loads(await request.read())
            name, data = asked["inputName"], asked["data"]
        except (ValueError, TypeError, KeyError):
            return web.json_response({"message": 'the body is not {"inputName": .., "data": ..}'}, status=400)
        body = (data if isinstance(data, str) else json.dumps(data)).encode()
        if not isinstance(name, str) or not name or len(body) > LARGEST_MESSAGE:
            message = f"inputName is a name and data has {LARGEST_MESSAGE} bytes at most"
            return web.json_response({"message": message}, status=400)
        try:
            await self._put(name, body)
        except (SimulatorError, sqlite3.Error) as error:
            return web.json_response({"message": str(error)}, status=503)
        return web.Response(status=200)

    async def _put(self, name: str, body: bytes) -> None:
        message = Message(self._hub.device, SENDER, name, body, received=self._hub.disturbance.now())
        delivery = Delivery(Sink(self._module, name), DEFAULT_PRIORITY, DEFAULT_TIME_TO_LIVE)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: sqlite3.Error | None) -> None:
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        self._hub.put(message, [delivery], done)
        await stored
