"""What it costs that nothing is lost: rulclassifier beside a module that echoes without journal, history or model.

    python -m benchmarks.durable_input MODEL.onnx [--rounds 3] [--before CHECKOUT]

Each round lets the simulator's hub fill a queue, starts one of the two modules on it, and takes the rate at which
its answers arrive upstream. They take turns in one run; the ratio of their medians is what counts. With a checkout of
an earlier state its rulclassifier takes part as well, on a model that both can serve.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import Any

import psutil

from benchmarks.telemetry import write_telemetry
from demo.deployment import deployment
from simulator.hub.client import Terms
from simulator.runtime import Runtime

ENGINES = 40
CYCLES = 50
MODULE = "rulclassifier"
WARM_UP = 200


async def measure(
    model: Path, home: Path, command: str, settings: dict[str, str], in_flight: int
) -> tuple[float, float]:
    """Answers a second of one module on a full queue, and the microseconds of processor time that each took."""
    telemetry = write_telemetry(home / "test_FD000.txt", ENGINES, CYCLES)
    content = deployment(model, telemetry, home / "state", rate=0)
    _run_instead(content, command)
    environment = {MODULE: settings}
    async with Runtime(
        content, home / "runtime", environment=environment, start_modules=False, terms=Terms(in_flight=in_flight)
    ) as runtime:
        source = runtime.agent["telemetrysource"]
        await source.start()
        while not runtime.upstream.twin(f"{runtime.hub.device}/telemetrysource").reported.get("replay"):  # noqa: ASYNC110 - a twin has no event
            await asyncio.sleep(0.05)
        await source.stop()
        await runtime.agent[MODULE].start()
        messages = await runtime.upstream.wait_for(ENGINES * CYCLES)
        times = psutil.Process(runtime.agent[MODULE].status.pid).cpu_times()
    steady = messages[WARM_UP:]
    rate = len(steady) / (steady[-1].enqueued - steady[0].enqueued)
    return rate, (times.user + times.system) / len(messages) * 1e6


def _run_instead(content: dict[str, Any], command: str) -> None:
    settings = content["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"][MODULE]["settings"]
    settings["createOptions"] = settings["createOptions"].replace("modules.rulclassifier.main", command)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", type=Path, help="a checkout of an earlier state")
    arguments = parser.parse_args()
    candidates = {
        "echo, no journal": ("benchmarks.echo", {}),
        "rulclassifier, process": ("modules.rulclassifier.main", {"JOURNAL_DURABILITY": "process"}),
        "rulclassifier, power": ("modules.rulclassifier.main", {"JOURNAL_DURABILITY": "power"}),
    }
    if arguments.before:
        # Its modules instead of those of this folder.
        other = {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(arguments.before.resolve())}
        candidates["the same, before"] = ("modules.rulclassifier.main", {"JOURNAL_DURABILITY": "process", **other})
    for in_flight in (1, 20):
        print(f"{in_flight} in flight from the hub to the module")
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
        for _ in range(arguments.rounds):
            for name, (command, settings) in candidates.items():
                with tempfile.TemporaryDirectory() as home:
                    taken[name].append(asyncio.run(measure(arguments.model, Path(home), command, settings, in_flight)))
        medians = {
            name: [statistics.median(each) for each in zip(*found, strict=True)] for name, found in taken.items()
        }
        base = medians["echo, no journal"][0]
        for name, (answers, processor) in medians.items():
            print(
                f"  {name:24} {answers:6.0f} answers/s  {answers / base:5.2f} of the echo  {processor:6.0f} us CPU each"
            )


if __name__ == "__main__":
    main()
