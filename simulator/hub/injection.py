"""Input for a module from outside, as the IoT Edge simulator takes it: `POST /api/v1/messages`."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from urllib.parse import urlsplit

from aiohttp import web

from simulator.errors import SimulatorError
from simulator.hub.hub import Hub
from simulator.identity import is_name
from simulator.message import LARGEST_MESSAGE, Message
from simulator.routing.routes import Delivery, Sink
from simulator.specs import DEFAULT_PRIORITY

log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
PORT = 53000
# The module that such messages come from, as there.
SENDER = "input"
# Seconds; there is no route that would have one.
TIME_TO_LIVE = 7200.0
# JSON can need six bytes for one.
LARGEST_REQUEST = 6 * LARGEST_MESSAGE
# As whom it may be asked.
HOSTS = (ADDRESS, "localhost", "::1")


class InjectionServer:
    """Puts what it is sent into the queue of one module.

    Args:
        hub: The hub.
        module: The module that gets it.
    """

    def __init__(self, hub: Hub, module: str) -> None:
        self._hub = hub
        self._module = module
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, port: int = PORT) -> None:
        """Listen on 127.0.0.1, on another port if this one is taken."""
        self._hub.client(self._module)  # to refuse now what no message would reach
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_post("/api/v1/messages", self._inject)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, ADDRESS, port)
        try:
            await site.start()
        except OSError as error:
            log.warning("port %d cannot be listened on (%s); taking a free one", port, error.strerror)
            await web.TCPSite(self._runner, ADDRESS, 0).start()
        self.port = self._runner.addresses[0][1]
        log.info("POST http://%s:%d/api/v1/messages goes to %s", ADDRESS, self.port, self._module)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _inject(self, request: web.Request) -> web.Response:
        try:
            _check_sender(request)
            await self._put(*_asked(await request.read()))
        except _RefusedError as error:
            return web.json_response({"message": str(error)}, status=error.status)
        except (SimulatorError, sqlite3.Error) as error:
            return web.json_response({"message": str(error)}, status=503)
        return web.Response(status=200)

    async def _put(self, name: str, body: bytes) -> None:
        message = Message(self._hub.device, SENDER, name, body, received=self._hub.disturbance.now())
        delivery = Delivery(Sink(self._module, name), DEFAULT_PRIORITY, TIME_TO_LIVE)
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: sqlite3.Error | None) -> None:
            if error is None:
                stored.set_result(None)
            else:
                stored.set_exception(error)

        self._hub.put(message, [delivery], done)
        await stored


class _RefusedError(Exception):
    """What was posted is not taken.

    Attributes:
        status: The HTTP status that says so.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _check_sender(request: web.Request) -> None:
    """Refuse what a page in a browser could send: text without asking, or anything under a name that leads here."""
    if request.content_type != "application/json":
        raise _RefusedError(415, f"the Content-Type is {request.content_type}, not application/json")
    if urlsplit(f"//{request.host}").hostname not in HOSTS:
        raise _RefusedError(403, f"the Host is {request.host!r}; only {', '.join(HOSTS)} are answered")


def _asked(content: bytes) -> tuple[str, bytes]:
    """The input and the body that are asked for."""
    try:
        asked = json.loads(content)
        name, data = asked["inputName"], asked["data"]
        body = (data if isinstance(data, str) else json.dumps(data)).encode()
    except UnicodeEncodeError as error:
        raise _RefusedError(400, f"data is no text: {error.reason}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise _RefusedError(400, 'the body is not {"inputName": .., "data": ..}') from error
    if not isinstance(name, str) or not name or not is_name(name) or len(body) > LARGEST_MESSAGE:
        raise _RefusedError(400, f"inputName is a name without / + # and data has {LARGEST_MESSAGE} bytes at most")
    return name, body
