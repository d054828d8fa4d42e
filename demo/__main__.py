"""`python -m demo`: the main job on this machine, with neither Docker nor Azure."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.live import Live

from demo.deployment import deployment
from demo.tally import PREFIX, Tally
from demo.view import View, closing_table, save_picture
from scoring.cmapss import find
from simulator.runtime import Runtime
from training.dataset import Dataset, default_directory, load_test

ROOT = Path(__file__).parent.parent
# Long enough for a module's restart or a lost connection's return; silence beyond that is a loss.
SILENCE_SECONDS = 90.0
REFRESH_SECONDS = 0.25


@dataclass(frozen=True)
class Job:
    """What the demo is to do, from the command line."""

    data: Path
    subset: str
    out: Path
    rate: float
    corrupt_share: float


def main() -> int:
    """Do the main job; 0 if every message was answered and nothing was lost."""
    arguments = _arguments()
    console = Console(highlight=False, record=arguments.svg is not None)
    job = Job(arguments.data, arguments.subset, arguments.out, arguments.rate, arguments.corrupt)
    # What an earlier run left would count as this one's.
    shutil.rmtree(job.out / "runtime", ignore_errors=True)
    job.out.mkdir(parents=True, exist_ok=True)
    if not list(job.data.glob(f"train_{job.subset}.txt*")):
        console.print(
            f"no {job.subset} in {job.data}: engines are simulated; `python -m training fetch` brings the real ones",
            soft_wrap=True,
        )
        job = replace(job, data=job.out / "engines")
        _run("simulator", "engines", "--out", job.data, "--subset", job.subset, "--train", "80", "--test", "40")
    console.rule("train and export")
    _run("training", "fit", "--data", job.data, "--subset", job.subset, "--out", job.out / "model.onnx")
    console.rule("deploy, feed, score")
    truth = load_test(job.data, job.subset)
    status = asyncio.run(_deploy(job, truth, console))
    if arguments.svg is not None:
        save_picture(console, arguments.svg)
    return status


async def _deploy(job: Job, truth: Dataset, console: Console) -> int:
    """Run the deployment until every reading is answered, and show what came of it."""
    telemetry = find(job.data, f"test_{job.subset}.txt")
    runtime_home = job.out / "runtime"
    content = deployment(job.out / "model.onnx", telemetry, runtime_home / "state", job.rate)
    settings = {"CORRUPT_SHARE": str(job.corrupt_share), "ENGINE_PREFIX": PREFIX}
    async with Runtime(content, runtime_home, environment={"telemetrysource": settings}) as runtime:
        tally = Tally(runtime.upstream.path, truth)
        with Live(View(tally, len(truth.rul), truth.trajectories.engines), console=console, transient=True):
            sent = await _until_answered(runtime, tally)
    if sent is None:
        console.print(f"[red]nothing new upstream for {SILENCE_SECONDS:g} s[/red]; logs: {runtime_home}")
        sent = len(truth.rul)
    console.print(closing_table(tally, sent))
    complete = tally.scored == len(truth.rul) and tally.answered == sent
    console.print("[green]nothing was lost[/green]" if complete else "[red]messages were lost[/red]")
    return 0 if complete else 1


async def _until_answered(runtime: Runtime, tally: Tally) -> int | None:
    """How many readings were sent, once all of them are answered; None if nothing arrives for too long."""
    loop = asyncio.get_running_loop()
    last = loop.time()
    while loop.time() - last < SILENCE_SECONDS:
        if await asyncio.to_thread(tally.read):
            last = loop.time()
        replay = runtime.upstream.twin(f"{runtime.hub.device}/telemetrysource").reported.get("replay", {})
        sent = replay.get("readings", 0) + replay.get("corrupt", 0)
        if replay.get("ended") and tally.answered >= sent:
            return int(sent)
        await asyncio.sleep(REFRESH_SECONDS)
    return None


def _run(package: str, *arguments: object) -> None:
    subprocess.run([sys.executable, "-m", package, *map(str, arguments)], check=True, cwd=ROOT)  # noqa: S603 - our own


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--data", type=Path, default=default_directory(), help="C-MAPSS files (%(default)s)")
    parser.add_argument("--subset", default="FD003", help="which of the four data sets (%(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="model, logs and state (%(default)s)")
    parser.add_argument("--rate", type=float, default=200.0, help="readings a second, 0 for no limit (%(default)s)")
    parser.add_argument("--corrupt", type=float, default=0.0, help="share of spoilt messages to mix in (%(default)s)")
    parser.add_argument("--svg", type=Path, help="where to keep a picture of what was shown")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
