"""Commands to a running runtime, over a socket that its home folder names."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from aiohttp import web

from simulator.agent.agent import Agent
from simulator.cloud.upstream import Upstream
from simulator.errors import MethodError, SimulatorError
from simulator.hub.hub import Hub
from simulator.identity import Identity
from simulator.private import keep_private
from simulator.runtime.faults import Faults

log = logging.getLogger(__name__)

FILE = "runtime.json"
# Larger than a twin or a method's payload.
LARGEST_REQUEST = 1_048_576


class Device(Protocol):
    """What commands need of a runtime; see there."""

    home: Path
    address: str
    hub: Hub
    upstream: Upstream
    agent: Agent
    faults: Faults

    @property
    def trust_bundle(self) -> Path:
        """The file with the certificate that clients trust."""

    def listeners(self, name: str) -> dict[str, str]:
        """Where a module is told to listen."""

    def add_module(self, name: str) -> Identity:
        """Register a module that the manifest does not have."""

    def add_device(self, name: str, key: str | None = None) -> str:
        """Register a leaf device; return its connection string."""

    def debug_environment(self, name: str) -> dict[str, str]:
        """The variables for a module under a debugger."""


Command = Callable[[Device, dict[str, Any]], Awaitable[Any]]


async def status(runtime: Device, _arguments: dict[str, Any]) -> dict[str, Any]:
    """How everything is."""
    return {
        "address": runtime.address,
        "hub": "running" if runtime.hub.running else "stopped",
        "cloud": runtime.upstream.refusal or ("online" if runtime.upstream.online else "offline"),
        "upstream": runtime.upstream.count,
        "waiting_for_upstream": runtime.hub.upstream_pending,
        "expired": runtime.hub.expired,
        "unrouted": runtime.hub.unrouted,
        "malformed": runtime.hub.malformed,
        "clients": {
            peer.identity.client_id: {"connected": peer.connection is not None, "waiting": peer.pending}
            for peer in runtime.hub.clients()
        },
        "modules": {
            name: asdict(module.status) | {"listens": runtime.listeners(name)}
            for name, module in runtime.agent.modules.items()
        },
    }


async def module(runtime: Device, arguments: dict[str, Any]) -> None:
    """Start, stop or kill a module."""
    one = runtime.agent[arguments["name"]]
    match arguments["action"]:
        case "start":
            await one.start()
        case "stop":
            await one.stop()
        case "kill":
            one.kill()
        case action:
            raise SimulatorError(f"a module can be started, stopped and killed, not {action!r}")


async def fault(runtime: Device, arguments: dict[str, Any]) -> None:
    """Do what one of the methods of Faults does."""
    name = arguments["name"].replace("-", "_")
    act = None if name.startswith("_") else getattr(runtime.faults, name, None)
    if act is None:
        raise SimulatorError(f"there is no fault {arguments['name']!r}")
    result = act(**arguments.get("arguments", {}))
    if asyncio.iscoroutine(result):
        await result


async def twin(runtime: Device, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a twin, after a patch of its desired properties if there is one."""
    client = runtime.hub.client(arguments["client"]).identity.client_id
    if "desired" in arguments:
        runtime.upstream.set_desired(client, arguments["desired"])
    return runtime.upstream.twin(client).document()


async def method(runtime: Device, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a direct method."""
    result = await runtime.hub.invoke(
        arguments["client"],
        arguments["method"],
        arguments.get("payload"),
        arguments.get("answer_within", 30.0),
        arguments.get("connect_within", 0.0),
    )
    return result._asdict()


async def device(runtime: Device, arguments: dict[str, Any]) -> dict[str, str]:
    """Register a leaf device."""
    return {"connection_string": runtime.add_device(arguments["name"], arguments.get("key"))}


async def debug(runtime: Device, arguments: dict[str, Any]) -> dict[str, str]:
    """The variables for a module under a debugger."""
    runtime.add_module(arguments["name"])
    return runtime.debug_environment(arguments["name"])


COMMANDS: dict[str, Command] = {
    "status": status,
    "module": module,
    "fault": fault,
    "twin": twin,
    "method": method,
    "device": device,
    "debug": debug,
}


class ControlServer:
    """Takes commands for a runtime on a unix socket, and names it in the runtime's home."""

    def __init__(self, runtime: Device) -> None:
        self._runtime = runtime
        self._file = runtime.home / FILE
        self._runner: web.AppRunner | None = None

    async def start(self, path: Path) -> None:
        """Listen."""
        app = web.Application(client_max_size=LARGEST_REQUEST)
        app.router.add_post("/{command}", self._command)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(path)).start()
        # Whoever may send commands gets connection strings.
        keep_private(path)
        facts = {
            "pid": os.getpid(),
            "address": self._runtime.address,
            "control": str(path),
            "trust_bundle": str(self._runtime.trust_bundle),
        }
        self._file.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            self._file.unlink(missing_ok=True)
            await self._runner.cleanup()

    async def _command(self, request: web.Request) -> web.Response:
        name = request.match_info["command"]
        try:
            arguments = json.loads(await request.read() or b"{}")
            result = await COMMANDS[name](self._runtime, arguments)
        except MethodError as error:
            answer = {"error": str(error), "status": error.status, "code": error.code}
            return web.json_response(answer, status=400)
        except (SimulatorError, ValueError, TypeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        except KeyError as error:
            return web.json_response({"error": f"{name} lacks {error}, or is no command"}, status=400)
        return web.json_response(result)


async def command(home: Path, name: str, /, **arguments: Any) -> Any:  # noqa: ANN401 - the command's own answer
    """Send a command to the runtime that runs in a home folder.

    Raises:
        SimulatorError: None runs there, or it refuses.
    """
    path = home / FILE
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        connector = aiohttp.UnixConnector(path=facts["control"])
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"http://runtime/{name}", json=arguments) as response,
        ):
            answer = await response.json()
    except (OSError, aiohttp.ClientError) as error:
        raise SimulatorError(f"no runtime runs in {home}: {error}; start one with `python -m simulator run`") from error
    if response.status != 200:
        message = answer["error"]
        raise SimulatorError(message)
    return answer
