"""20 modules and 200 leaf devices at once: do all their messages arrive, how late, and how large is the hub?

    python -m benchmarks.simulator.crowd [--seconds 20]

Every client sends a message a second to `$upstream`; ten of the modules send to the other ten instead.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import psutil

from benchmarks.simulator import clients
from simulator.runtime import Runtime


async def measure(seconds: int) -> None:
    """Let the crowd send for so long."""
    routes = {
        f"r{number}": f'FROM /messages/modules/s{number}/* INTO BrokeredEndpoint("/modules/take{number}/inputs/in")'
        for number in range(10)
    }
    routes["leaf"] = "FROM /messages/* WHERE NOT is_defined($connectionModuleId) INTO $upstream"
    with tempfile.TemporaryDirectory() as home:
        async with Runtime(clients.manifest(routes), Path(home), start_modules=False) as runtime:
            names = [f"{kind}{number}" for number in range(10) for kind in ("s", "take")]
            names += [f"d:Client_{number:03d}" for number in range(1, 201)]
            await clients.play(clients.facts(runtime, names), seconds, pause=1.0)
            messages = await runtime.upstream.wait_for(200 * seconds)
            late = [
                message.enqueued - datetime.fromisoformat(message.system["iothub-creation-time-utc"]).timestamp()
                for message in messages
            ]
            print(f"{len(messages)} of {200 * seconds} messages of 200 leaf devices are upstream")
            hundredths = [1e3 * each for each in quantiles(late, n=100)]
            print(f"from the hub's receipt to upstream: p50 {hundredths[49]:.1f} ms, p99 {hundredths[98]:.1f} ms")
            print(f"RSS of the hub's process: {psutil.Process().memory_info().rss / 2**20:.0f} MB")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    asyncio.run(measure(parser.parse_args().seconds))


if __name__ == "__main__":
    main()
