"""The demo: what `python -m demo` asks for, does and shows."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from demo.deployment import deployment
from demo.errors import DemoError
from demo.job import MainJob
from demo.tally import PREFIX, Tally
from demo.view import LiveView, closing_table, save_picture
from modules.telemetrysource.pace import HIGHEST_RATE
from scoring.arguments import Parser
from scoring.cli.console import number
from scoring.cli.program import status_of
from scoring.version import add_version
from simulator import shipped
from simulator.engines.wear import SUBSETS
from simulator.errors import SimulatorError
from simulator.runtime import Runtime
from training.data.dataset import default_directory
from training.data.labels import Classes
from training.errors import TrainingError

# Long enough for a module's restart or a lost connection's return; silence beyond that is a loss.
SILENCE_SECONDS = 90.0
REFRESH_SECONDS = 0.25
# Some 4,000 readings: 20 s at the default rate.
QUICK_ENGINES = 25
# Below this share of the rate, the machine could not keep up; start and end take some of the time.
LEAST_SHARE = 0.8


def main(given: Sequence[str] | None = None) -> int:
    """Do the main job; 0 if every message was answered and nothing was lost, 2 if it could not be begun."""
    arguments = _arguments(given)
    console = Console(highlight=False, record=arguments.svg is not None)
    # SIGTERM does what Ctrl-C does: no process is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return status_of(
        lambda: _shown(arguments, console),
        DemoError,
        TrainingError,
        SimulatorError,
        stops=(KeyboardInterrupt, asyncio.CancelledError),
    )


def _shown(arguments: argparse.Namespace, console: Console) -> int:
    status = _do(_job(arguments), console)
    if arguments.svg is not None:
        save_picture(console, arguments.svg)
    return status


def _do(job: MainJob, console: Console) -> int:
    # What an earlier run left would count as this one's.
    shutil.rmtree(job.out / "runtime", ignore_errors=True)
    job.out.mkdir(parents=True, exist_ok=True)
    job = job.with_engines(console)
    if job.model is None:
        console.rule("train and export")
    model, classes = job.with_model()
    console.rule("deploy, feed, score")
    return asyncio.run(_deploy(job, model, classes, console))


async def _deploy(job: MainJob, model: Path, classes: Classes, console: Console) -> int:
    """Run the deployment until every reading is answered, and show what came of it."""
    # As `asyncio.run` takes SIGINT: an exception out of nowhere could lose sight of a module that is being started.
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    telemetry, truth = job.test_engines()
    runtime_home = job.out / "runtime"
    content = deployment(model, telemetry, runtime_home / "state", job.rate)
    settings = {"CORRUPT_SHARE": str(job.corrupt_share), "ENGINE_PREFIX": PREFIX}
    async with Runtime(content, runtime_home, environment={"telemetrysource": settings}) as runtime:
        tally = Tally(runtime.upstream.path, truth, classes)
        view = LiveView(tally, len(truth.rul), truth.trajectories.engines, classes.names)
        with Live(view, console=console, transient=True):
            sent = await _until_answered(runtime, tally)
    if sent is None:
        console.print(f"[red]nothing new upstream for {SILENCE_SECONDS:g} s[/red]; logs: {runtime_home}")
        sent = len(truth.rul)
    console.print(closing_table(tally, sent))
    if job.rate and tally.rate < LEAST_SHARE * job.rate:
        console.print(
            f"[yellow]this machine answered {tally.rate:.0f} readings a second, not the {job.rate:g} that were asked "
            f"for[/yellow]; latency is the queue's: try --rate {max(1, round(tally.rate / 2))}",
            soft_wrap=True,
        )
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


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m demo",
        description="Does the main job on this machine, with neither Docker nor Azure: trains, deploys, feeds, scores.",
        example="python -m demo --quick",
    )
    add_version(parser)
    parser.add_argument("--quick", action="store_true", help=f"the model that ships, {QUICK_ENGINES} engines: a minute")
    parser.add_argument("--model", type=Path, metavar="FILE", help="the model to deploy; by default one is trained")
    parser.add_argument("--data", type=Path, default=default_directory(), help="C-MAPSS files")
    parser.add_argument("--subset", choices=SUBSETS, default="FD003", help="which of the four data sets")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="model, logs and state")
    parser.add_argument(
        "--rate",
        type=number(float, 0, HIGHEST_RATE),
        default=200.0,
        help="readings a second, 0 for no limit",
    )
    parser.add_argument("--corrupt", type=number(float, 0, 1), default=0.0, help="share of spoilt messages to mix in")
    parser.add_argument("--svg", type=Path, help="where to keep a picture of what was shown")
    return parser.parse_args(given)


def _job(arguments: argparse.Namespace) -> MainJob:
    own = shipped.MODELS / f"{arguments.subset.lower()}.onnx" if arguments.quick else None
    return MainJob(
        arguments.data.resolve(),
        arguments.subset,
        arguments.out.resolve(),
        arguments.rate,
        arguments.corrupt,
        arguments.model or own,
        QUICK_ENGINES if arguments.quick else None,
    )
