"""Direct methods from module to module, over HTTPS as the SDK's `invoke_method` calls them."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import weakref
from typing import Any

from aiohttp import web

from simulator.errors import MethodError, SimulatorError
from simulator.hub.hub import Hub
from simulator.hub.methods import LARGEST_PAYLOAD
from simulator.identity import TokenError

log = logging.getLogger(__name__)

# The SDK knows no other.
PORT = 443


class MethodServer:
    """Listens on the hub's address; takes the token of the module that calls."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._runner: web.AppRunner | None = None
        self._transports: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self.available = False

    async def start(self, address: str, context: ssl.SSLContext) -> None:
        """Listen, if this process may."""
        app = web.Application(client_max_size=2 * LARGEST_PAYLOAD)
        app.router.add_post("/twins/{device}/modules/{module}/methods", self._invoke)
        app.router.add_post("/twins/{device}/methods", self._invoke)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address, PORT, ssl_context=context).start()
        except OSError as error:
            log.warning(
                "%s:%d cannot be listened on (%s): modules cannot call methods of each other",
                address,
                PORT,
                error.strerror,
            )
        else:
            self.available = True

    async def stop(self) -> None:
        """Stop listening."""
        # Callers keep their connections; waiting for their part in ending TLS would take half a minute.
        for transport in self._transports:
            transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _invoke(self, request: web.Request) -> web.Response:
        if request.transport is not None:
            self._transports.add(request.transport)
        try:
            caller = self._hub.client(request.headers.get("x-ms-edge-moduleId", "")).identity
            self._hub.check(request.headers.get("Authorization", ""), caller)
        except (SimulatorError, TokenError) as error:
            return _refusal(401, 401002, str(error))
        device, module = request.match_info["device"], request.match_info.get("module")
        try:
            asked = json.loads(await request.read())
            result = await self._hub.invoke(
                f"{device}/{module}" if module else device,
                str(asked["methodName"]),
                asked.get("payload"),
                float(asked.get("responseTimeoutInSeconds", 30)),
                float(asked.get("connectTimeoutInSeconds", 0)),
            )
        except (ValueError, TypeError, KeyError) as error:
            return _refusal(400, 400004, f"not a method call: {error!r}")
        except MethodError as error:
            return _refusal(error.status, error.code, str(error))
        except SimulatorError as error:
            return _refusal(404, 404010, str(error))
        return web.json_response(result._asdict())


def _refusal(status: int, code: int, message: str) -> web.Response:
    body: dict[str, Any] = {"errorCode": code, "message": message}
    return web.json_response(body, status=status, headers={"iothub-errorcode": str(code)})
