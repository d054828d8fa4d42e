"""A million messages stored while the cloud is out of reach: the hub's memory, and how fast they drain.

python -m benchmarks.simulator.backlog [--messages 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.simulator import clients
from simulator.runtime import Runtime


def rss() -> float:
    """This process's resident memory, in MB."""
    return psutil.Process().memory_info().rss / 2**20


async def measure(count: int) -> None:
    """Fill, restart, drain."""
    content = clients.manifest({"up": "FROM /messages/* INTO $upstream"})
    with tempfile.TemporaryDirectory() as home:
        async with Runtime(content, Path(home), start_modules=False) as runtime:
            runtime.faults.offline()
            known = clients.facts(runtime, [f"up{number}" for number in range(4)])
            filling = asyncio.create_task(clients.play(known, count // 4))
            peak = 0.0
            while not filling.done():
                await asyncio.wait([filling], timeout=0.5)
                peak = max(peak, rss())
            seconds = await filling
            print(f"{runtime.hub.upstream_pending} stored at {count / seconds:.0f} messages/s, peak RSS {peak:.0f} MB")
            size = (Path(home) / "hub.sqlite3").stat().st_size / 2**20
            print(f"the store has {size:.0f} MB")
        start = time.perf_counter()
        async with Runtime(content, Path(home), start_modules=False) as runtime:
            print(f"started again with them in {time.perf_counter() - start:.2f} s, RSS {rss():.0f} MB")
            start, peak = time.perf_counter(), 0.0
            while runtime.upstream.count < count // 4 * 4:
                await asyncio.sleep(0.2)
                peak = max(peak, rss())
            print(f"drained at {count / (time.perf_counter() - start):.0f} messages/s, peak RSS {peak:.0f} MB")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    asyncio.run(measure(parser.parse_args().messages))


if __name__ == "__main__":
    main()
