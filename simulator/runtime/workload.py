"""The workload API: how a module gets its trust bundle and has its tokens signed."""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path

from aiohttp import web

from simulator.errors import SimulatorError
from simulator.hub.hub import Hub

API_VERSION = "2018-06-28"
# What the SDK signs is a resource and a time.
LARGEST_REQUEST = 16_384


class WorkloadServer:
    """Serves the workload API on a unix socket.

    Args:
        hub: Whose identities sign.
        trust_bundle: The PEM of the certificates that modules trust.
    """

    def __init__(self, hub: Hub, trust_bundle: str) -> None:
        self._hub = hub
        self._trust_bundle = trust_bundle
        self._runner: web.AppRunner | None = None

    async def start(self, path: Path) -> None:
        """Listen on a unix socket."""
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_get("/trust-bundle", self._bundle)
        app.router.add_post("/modules/{module}/genid/{generation}/sign", self._sign)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(path)).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _bundle(self, _request: web.Request) -> web.Response:
        return web.json_response({"certificate": self._trust_bundle})

    async def _sign(self, request: web.Request) -> web.Response:
        name, generation = request.match_info["module"], request.match_info["generation"]
        try:
            identity = self._hub.client(f"{self._hub.device}/{name}").identity
        except SimulatorError as error:
            return web.json_response({"message": str(error)}, status=404)
        if generation != identity.generation:
            message = f"module {name} has generation {identity.generation}, not {generation}"
            return web.json_response({"message": message}, status=403)
        try:
            asked = json.loads(await request.read())
            data = base64.b64decode(asked["data"], validate=True)
            if (asked["keyId"], asked["algo"]) != ("primary", "HMACSHA256"):
                message = f"keyId {asked['keyId']!r} with {asked['algo']!r}; primary with HMACSHA256 is what there is"
                return web.json_response({"message": message}, status=400)
        except (ValueError, TypeError, KeyError, binascii.Error) as error:
            return web.json_response({"message": f"not a request to sign: {error!r}"}, status=400)
        return web.json_response({"digest": identity.sign(data)})
