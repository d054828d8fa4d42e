"""`run`: an edge device until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import platform
import signal
import sys
from pathlib import Path

from scoring.arguments import Commands, add_command
from scoring.cli.console import number
from simulator.agent import manifest, template
from simulator.agent.agent import BACKOFF
from simulator.agent.containers import find_program
from simulator.cli.home import add_home
from simulator.runtime import Runtime

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname).4s %(message)s"
# A day.
MAX_BACKOFF = 86_400.0


def add(commands: Commands) -> None:
    """Add the command."""
    example = "python -m simulator run deployment.template.json --home out/edge"
    parser = add_command(commands, "run", "run an edge device from a manifest or a template", example)
    parser.add_argument("manifest", type=Path, metavar="MANIFEST_OR_TEMPLATE", help="a template is filled in first")
    add_home(parser, "its folder: queues, keys, logs, upstream file")
    parser.add_argument("--address", metavar="127.A.B.C", help="where the hub listens (default: a free one)")
    parser.add_argument(
        "--backoff",
        type=number(float, 0.0, MAX_BACKOFF),
        default=BACKOFF,
        metavar="S",
        help="seconds before a module's first restart, as edgeAgent waits",
    )
    parser.add_argument(
        "--containers",
        nargs="?",
        const="",
        metavar="PROGRAM",
        help="run the modules as containers, by podman or docker (default: whichever is there)",
    )
    parser.add_argument("--inject-into", metavar="MODULE", help="POST /api/v1/messages on 127.0.0.1:53000 goes to it")
    parser.set_defaults(command=lambda options: asyncio.run(run(options)))


def architecture() -> str:
    """This machine's name in module.json."""
    return {"x86_64": "amd64", "aarch64": "arm64v8"}.get(platform.machine(), "amd64")


async def run(options: argparse.Namespace) -> int:
    """Run until told to end; everything that was started is gone then."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, ended.set)
    content = template.load(options.manifest, architecture())
    for warning in manifest.warnings(content):
        log.warning("%s", warning)
    async with Runtime(
        content,
        options.home,
        address=options.address,
        backoff=options.backoff,
        containers=None if options.containers is None else find_program(options.containers),
        inject_into=options.inject_into,
    ) as runtime:
        sys.stdout.write(f"running at {runtime.address}, home {runtime.home}\n")
        if runtime.injection is not None:
            sys.stdout.write(f"injection at http://127.0.0.1:{runtime.injection.port}/api/v1/messages\n")
        for name in runtime.manifest.modules:
            for variable, address in runtime.listeners(name).items():
                sys.stdout.write(f"{name} listens at {_shown(variable, address)} ({variable})\n")
        sys.stdout.flush()
        await ended.wait()
    return 0


def _shown(variable: str, address: str) -> str:
    """An address to click on, where its variable says what is there."""
    return f"http://{address}/metrics" if "METRICS" in variable.upper() else address
