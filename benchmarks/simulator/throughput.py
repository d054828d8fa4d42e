"""How many messages a second the hub passes, against what one SDK module can send.

    python -m benchmarks.simulator.throughput [--messages 40000] [--pairs 20]

Messages of 600 bytes over TLS: the SDK's rate from one module, waiting for each and with 100 in flight; the hub's from
four bare clients to `$upstream`, until the last has arrived there; and the hub's between pairs of modules, one in
flight for each, until the last is acknowledged. Clients run in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.simulator import clients
from simulator.runtime import Runtime


async def sdk(count: int) -> None:
    """Be an SDK module that sends; print both rates."""
    from azure.iot.device.aio import IoTHubModuleClient  # noqa: PLC0415 - only this process needs it

    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()
    for in_flight in (1, 100):
        room = asyncio.Semaphore(in_flight)

        async def one(room: asyncio.Semaphore = room) -> None:
            async with room:
                await client.send_message_to_output(clients.BODY.decode(), "o")

        start = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(count)))
        print(count / (time.perf_counter() - start))
    await client.shutdown()


async def sdk_rates(runtime: Runtime, count: int) -> list[float]:
    """Run the SDK in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "benchmarks.simulator.throughput", "--sdk", "--messages", str(count)),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | runtime.module_environment("up0"),
    )
    out, _ = await child.communicate()
    return [float(line) for line in out.split()]


def report(what: str, rate: float, single: float, cost: float) -> None:
    """Print one of the hub's rates."""
    print(f"hub, {what}: {rate:.0f} messages/s, {rate / single:.1f} times the first; {cost:.0f} us of CPU each")


async def measure(count: int, pairs: int) -> None:
    """Take the figures."""
    routes = {
        f"r{number}": f'FROM /messages/modules/s{number}/* INTO BrokeredEndpoint("/modules/take{number}/inputs/in")'
        for number in range(pairs)
    }
    routes |= {f"up{number}": f"FROM /messages/modules/up{number} INTO $upstream" for number in range(4)}
    with tempfile.TemporaryDirectory() as home:
        async with Runtime(clients.manifest(routes), Path(home), start_modules=False) as runtime:
            ups = clients.facts(runtime, [f"up{number}" for number in range(4)])
            single, many = await sdk_rates(runtime, count // 10)
            print(f"one SDK module, waiting for each: {single:.0f} messages/s; with 100 in flight: {many:.0f}")

            before, cpu = runtime.upstream.count, time.process_time()
            sending = await clients.play(ups, count // 4)
            sent_at = time.perf_counter()
            await runtime.upstream.arrived(before + count // 4 * 4)
            rate = count / (sending + time.perf_counter() - sent_at)
            cost = (time.process_time() - cpu) / count * 1e6
            report("4 clients to upstream", rate, single, cost)

            names = [f"{kind}{number}" for number in range(pairs) for kind in ("s", "take")]
            cpu = time.process_time()
            rate = count // pairs * pairs / await clients.play(clients.facts(runtime, names), count // pairs)
            cost = (time.process_time() - cpu) / count * 1e6
            report(f"{pairs} pairs of modules", rate, single, cost)


def main() -> None:
    """Measure, or (with --sdk) be the SDK's process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--sdk", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    asyncio.run(sdk(options.messages) if options.sdk else measure(options.messages, options.pairs))


if __name__ == "__main__":
    main()
