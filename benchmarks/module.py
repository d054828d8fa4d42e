"""How soon rulclassifier answers, and how much memory it takes with 1,000 engines.

    python -m benchmarks.module MODEL.onnx

Starts the real modules as processes on the simulator's edge runtime, with a telemetry file of 1,000 engines, and
prints: seconds from the start of rulclassifier's process to the first prediction upstream, and its resident memory
once every engine is known and every message answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import psutil

from benchmarks.telemetry import write_telemetry
from demo.deployment import deployment
from simulator.runtime import Runtime

ENGINES = 1_000
# A history takes its full window from its first message on.
CYCLES = 3


async def measure(model: Path, home: Path) -> None:
    telemetry = write_telemetry(home / "test_FD000.txt", ENGINES, CYCLES)
    async with Runtime(deployment(model, telemetry, home / "state", rate=0), home / "runtime") as runtime:
        first = (await runtime.upstream.wait_for(1))[0]
        process = psutil.Process(runtime.agent["rulclassifier"].status.pid)
        print(f"process start to first prediction upstream {first.enqueued - process.create_time():6.2f} s")
        known: set[tuple[str, int]] = set()
        async for message in runtime.upstream.follow():
            record = json.loads(message.body)
            known.add((record["ConnectionDeviceId"], record["CycleTime"]))
            if len(known) == ENGINES * CYCLES:
                break
        print(f"resident memory with {ENGINES:,} engines          {process.memory_info().rss / 1e6:6.0f} MB")


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        asyncio.run(measure(Path(sys.argv[1]), Path(home)))


if __name__ == "__main__":
    main()
