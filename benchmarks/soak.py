"""A long run with a random fault each minute: what is lost, and what grows.

    python -m benchmarks.soak MODEL.onnx [--minutes 60] [--rate 500]

Runs the deployment on the simulator's edge runtime and prints a line a minute: the fault, the readings answered, the
resident memory of rulclassifier and the size of its journal. At the end: what was lost, the memory against that after
five minutes, and whether the journal is empty. Exits 0 if nothing was lost, memory is within 1.1 times of what it was,
and the journal is back at its floor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

from benchmarks.telemetry import write_telemetry
from demo.deployment import deployment
from simulator.runtime import Runtime

ENGINES = 100
CYCLES = 200
MODULE = "rulclassifier"
SOURCE = "telemetrysource"
MINUTE = 60.0
SETTLED_MINUTES = 5


async def kill(runtime: Runtime) -> None:
    runtime.agent[MODULE].kill(signal.SIGKILL)
    # edgeAgent gives up after 20 restarts in a row; here they are not the module's fault.
    await runtime.agent[MODULE].until(lambda status: status.state == "running")
    runtime.agent[MODULE].status.restarts = 0


async def cut(runtime: Runtime) -> None:
    runtime.faults.cut(MODULE)


async def kick(runtime: Runtime) -> None:
    runtime.faults.kick(MODULE)


async def forget(runtime: Runtime) -> None:
    runtime.faults.forget(MODULE)


async def restart_hub(runtime: Runtime) -> None:
    await runtime.faults.stop_hub(abrupt=True)
    await asyncio.sleep(5)
    await runtime.faults.start_hub()


async def go_offline(runtime: Runtime) -> None:
    runtime.faults.offline()
    await asyncio.sleep(15)
    runtime.faults.online()


async def refuse(runtime: Runtime) -> None:
    runtime.faults.refuse(MODULE)
    runtime.faults.kick(MODULE)
    await asyncio.sleep(10)
    await runtime.faults.clear()


FAULTS: tuple[Callable[[Runtime], Awaitable[None]], ...] = (kill, cut, kick, forget, restart_hub, go_offline, refuse)


class Watch:
    """What is looked at each minute."""

    def __init__(self, runtime: Runtime, home: Path) -> None:
        self._runtime = runtime
        self._journal = home / "state" / MODULE / "journal.sqlite3"
        self._answered: set[str] = set()
        self._last = 0

    async def answered(self) -> int:
        """How many readings have a prediction upstream."""
        # In a thread: this process is also the hub, and the upstream file grows to some GB.
        return await asyncio.to_thread(self._look)

    def _look(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self._runtime.upstream.path}?mode=ro", uri=True)) as upstream:
            query = "SELECT seq, output, correlation_id FROM messages WHERE seq > ? ORDER BY seq LIMIT 20000"
            while rows := upstream.execute(query, (self._last,)).fetchall():
                self._answered.update(correlation for _, output, correlation in rows if output == "predictions")
                self._last = rows[-1][0]
        return len(self._answered)

    def memory(self) -> float:
        pid = self._runtime.agent[MODULE].status.pid
        return psutil.Process(pid).memory_info().rss / 1e6 if pid else float("nan")

    def waiting(self) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{self._journal}?mode=ro", uri=True)) as journal:
            rows = [journal.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("inbox", "outbox")]
            return int(sum(rows))


async def soak(model: Path, minutes: int, rate: float, home: Path) -> bool:
    chance = random.Random(1)  # noqa: S311 - repeatable, not secret
    readings = int(minutes * MINUTE * rate)
    repeat = max(1, -(-readings // (ENGINES * CYCLES)))
    telemetry = write_telemetry(home / "test_FD000.txt", ENGINES, CYCLES)
    # Each repetition comes from other engines: with this bound all histories are there from the second one on, and
    # memory that still grows then is a leak.
    settings = {SOURCE: {"REPEAT": str(repeat)}, MODULE: {"ENGINES": str(2 * ENGINES)}}
    content = deployment(model, telemetry, home / "state", rate)
    async with Runtime(content, home / "runtime", environment=settings, backoff=1.0) as runtime:
        watch = Watch(runtime, home)
        settled = float("nan")
        for minute in range(1, minutes + 1):
            fault = chance.choice(FAULTS)
            await asyncio.gather(asyncio.sleep(MINUTE), fault(runtime))
            memory = watch.memory()
            settled = memory if minute == min(SETTLED_MINUTES, minutes) else settled
            answered = await watch.answered()
            print(
                f"minute {minute:3}  {fault.__name__:12} answered {answered:9,}  memory {memory:4.0f} MB  "
                f"waiting {watch.waiting():6,}",
                flush=True,
            )
        sent = repeat * ENGINES * CYCLES
        runtime.upstream.set_desired(f"{runtime.hub.device}/{SOURCE}", {"rate": 0})
        deadline = asyncio.get_running_loop().time() + max(10 * MINUTE, minutes * MINUTE)
        while await watch.answered() < sent or watch.waiting():
            await asyncio.sleep(2)
            if asyncio.get_running_loop().time() > deadline:
                break
        lost, memory, waiting = sent - await watch.answered(), watch.memory(), watch.waiting()
    print(
        f"sent {sent:,}, lost {lost}, memory {memory:.0f} MB ({memory / settled:.2f} of that after {SETTLED_MINUTES} "
        f"minutes), waiting in the journal {waiting}"
    )
    return lost == 0 and waiting == 0 and memory <= 1.1 * settled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--rate", type=float, default=500.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        passed = asyncio.run(soak(arguments.model, arguments.minutes, arguments.rate, Path(home)))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
