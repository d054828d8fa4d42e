"""Bare clients in processes of their own, so that what is measured is the hub's process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from simulator.identity import Identity
from simulator.mqtt.client import BareClient
from simulator.mqtt.packets import Puback, Publish
from simulator.runtime import Runtime

EXAMPLE = Path(__file__).parents[2] / "examples/ten_line_manifest.json"
# As long as a telemetry message.
BODY = json.dumps({"text": "x" * 588}).encode()
# Sent and not yet acknowledged, per client.
IN_FLIGHT = 100


def manifest(routes: dict[str, Any]) -> dict[str, Any]:
    """The example's manifest, without its module, with these routes."""
    content: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    of_agent, of_hub = (content["modulesContent"][name]["properties.desired"] for name in ("$edgeAgent", "$edgeHub"))
    of_agent["modules"], of_hub["routes"] = {}, routes
    return content


def facts(runtime: Runtime, names: list[str]) -> dict[str, Any]:
    """What a process needs to be some clients of a runtime; `d:NAME` is a leaf device, NAME a module."""
    identities = {}
    for name in names:
        if name.startswith("d:"):
            runtime.add_device(name[2:])
            identity = runtime.hub.client(name[2:]).identity
        else:
            identity = runtime.add_module(name)
        identities[name] = [identity.device, identity.module, identity.key]
    return {
        "address": runtime.address,
        "hub": runtime.hub.name,
        "trust_bundle": str(runtime.trust_bundle),
        "clients": identities,
    }


async def play(known: dict[str, Any], count: int, pause: float = 0.0) -> float:
    """Be the clients of `known` in another process, each with `count` messages; how long it took, in seconds.

    A client whose name begins with `take` takes and acknowledges, any other sends, with a pause after each message if
    there is one. The clock runs from when all are connected.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.simulator.clients", str(count), str(pause)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    out, _ = await child.communicate(json.dumps(known).encode())
    if child.returncode:
        message = f"the client process ended with {child.returncode}"
        raise RuntimeError(message)
    return float(out)


async def _send(client: BareClient, count: int, pause: float) -> None:
    sent = acknowledged = 0
    while acknowledged < count:
        while sent < count and sent - acknowledged < (1 if pause else IN_FLIGHT):
            client.publish(BODY, output="o")
            sent += 1
        acknowledged += isinstance(await client.read(), Puback)
        if pause:
            await asyncio.sleep(pause)


async def _take(client: BareClient, count: int) -> None:
    while count:
        packet = await client.read()
        if isinstance(packet, Publish):
            client.acknowledge(packet)
            count -= 1


async def _main(count: int, pause: float) -> None:
    known = json.load(sys.stdin)
    clients = {
        name: BareClient(known["address"], known["hub"], Identity(*identity), Path(known["trust_bundle"]))
        for name, identity in known["clients"].items()
    }
    room = asyncio.Semaphore(20)

    async def connect(name: str, client: BareClient) -> None:
        async with room:
            await client.connect()
            if name.startswith("take"):
                await client.subscribe()

    await asyncio.gather(*(connect(*pair) for pair in clients.items()))
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for name, client in clients.items():
            work = _take(client, count) if name.startswith("take") else _send(client, count, pause)
            group.create_task(work)
    print(time.perf_counter() - start)
    for client in clients.values():
        await client.close()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), float(sys.argv[2])))
