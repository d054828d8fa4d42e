"""How many messages a second the hub passes, against what one SDK module can send.

    python -m benchmarks.simulator.throughput [--messages 20000] [--pairs 20]

Three figures, with 600-byte messages over TLS: the SDK's rate from one module with 100 sends in flight; the hub's from
bare clients to `$upstream`; and the hub's between pairs of modules, each delivery acknowledged. Clients run in
processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulator.bare_client import BareClient
from simulator.identity import Identity
from simulator.mqtt import Puback, Publish
from simulator.runtime import Runtime

BODY = json.dumps({"text": "x" * 588}).encode()
# Sent and not yet acknowledged, per client.
IN_FLIGHT = 100


def manifest(pairs: int) -> dict[str, object]:
    """Routes from s<N> to r<N>, and from everything else upstream."""
    routes: dict[str, object] = {
        f"r{number}": f'FROM /messages/modules/s{number}/* INTO BrokeredEndpoint("/modules/r{number}/inputs/in")'
        for number in range(pairs)
    }
    routes["up"] = "FROM /messages/modules/up* INTO $upstream"
    return {
        "modulesContent": {
            "$edgeAgent": {"properties.desired": {"modules": {}}},
            "$edgeHub": {"properties.desired": {"routes": routes}},
        }
    }


async def send(client: BareClient, count: int) -> None:
    """Send messages with so many in flight, until all are acknowledged."""
    await client.connect()
    sent = acknowledged = 0
    while acknowledged < count:
        while sent < count and sent - acknowledged < IN_FLIGHT:
            client.publish(BODY, output="o")
            sent += 1
        acknowledged += isinstance(await client.read(), Puback)
    await client.close()


async def take(client: BareClient, count: int) -> None:
    """Take and acknowledge messages."""
    await client.connect()
    await client.subscribe()
    while count:
        packet = await client.read()
        if isinstance(packet, Publish):
            client.acknowledge(packet)
            count -= 1
    await client.close()


async def play(facts: dict[str, str], names: list[str], count: int) -> None:
    """Be some of the clients: names that begin with r take, others send."""
    clients = []
    for name in names:
        identity = Identity(facts["device"], name, facts[name])
        client = BareClient(facts["address"], facts["hub"], identity, Path(facts["trust_bundle"]))
        clients.append((take if name.startswith("r") else send)(client, count))
    await asyncio.gather(*clients)


async def sdk(facts: dict[str, str], count: int) -> None:
    """Send with the SDK, 100 in flight; print the rate."""
    from azure.iot.device.aio import IoTHubModuleClient  # noqa: PLC0415 - only this process needs it

    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with room:
            await client.send_message_to_output(BODY.decode(), "o")

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    print(count / (time.perf_counter() - start))
    await client.shutdown()
    del facts


async def process(what: str, facts: dict[str, str], count: int, environment: dict[str, str] | None = None) -> str:
    """Run this file as a client process; return what it prints."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.simulator.throughput", "--play", what, "--messages", str(count)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | (environment or {}),
    )
    out, _ = await child.communicate(json.dumps(facts).encode())
    if child.returncode:
        message = f"client process {what} ended with {child.returncode}"
        raise RuntimeError(message)
    return out.decode()


async def measure(count: int, pairs: int) -> None:
    """Take the three figures."""
    with tempfile.TemporaryDirectory() as home:
        async with Runtime(manifest(pairs), Path(home), start_modules=False) as runtime:
            facts = {
                "address": runtime.address,
                "hub": runtime.hub.name,
                "device": runtime.hub.device,
                "trust_bundle": str(runtime.trust_bundle),
            }
            ups = [f"up{number}" for number in range(4)]
            for name in [*ups, *(f"{kind}{number}" for number in range(pairs) for kind in "sr")]:
                facts[name] = runtime.add_module(name).key
            rate = float(await process("sdk", facts, count // 5, runtime.module_environment("up0")))
            print(f"one SDK module, 100 sends in flight: {rate:.0f} messages/s")

            before, start = runtime.upstream.count, time.perf_counter()
            await process(",".join(ups), facts, count // 4)
            await runtime.upstream.wait_for(before + count // 4 * 4)
            upstream = count / (time.perf_counter() - start)
            print(f"hub, 4 bare clients to upstream: {upstream:.0f} messages/s, {upstream / rate:.1f} times")

            start = time.perf_counter()
            senders = ",".join(f"s{number}" for number in range(pairs))
            takers = ",".join(f"r{number}" for number in range(pairs))
            await asyncio.gather(*(process(what, facts, count // pairs) for what in (senders, takers)))
            between = count // pairs * pairs / (time.perf_counter() - start)
            print(f"hub, {pairs} pairs of modules: {between:.0f} messages/s, {between / rate:.1f} times")


def main() -> None:
    """Measure, or (with --play) be a client of the measuring process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--play", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play is None:
        asyncio.run(measure(options.messages, options.pairs))
        return
    facts = json.load(sys.stdin)
    if options.play == "sdk":
        asyncio.run(sdk(facts, options.messages))
    else:
        asyncio.run(play(facts, options.play.split(","), options.messages))


if __name__ == "__main__":
    main()
