"""`run`: an edge device until Ctrl-C or SIGTERM, and `upstream`: what has reached the cloud."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import signal
import sqlite3
import sys
import time
from pathlib import Path

from scoring.arguments import Commands, add_command
from scoring.console import number
from simulator import manifest, template, upstream
from simulator.agent import BACKOFF
from simulator.containers import find_program
from simulator.errors import SimulatorError
from simulator.runtime import Runtime

logger = logging.getLogger(__name__)

# How often a file is looked at that another process writes.
LOOK_AGAIN = 0.2
LOG_FORMAT = "%(asctime)s %(levelname).4s %(message)s"


# A day.
MAX_BACKOFF = 86_400.0


def add(commands: Commands) -> None:
    """Add both commands."""
    example = "python -m simulator run deployment.template.json --home out/edge"
    parser = add_command(commands, "run", "run an edge device from a manifest or a template", example)
    parser.add_argument("manifest", type=Path, metavar="MANIFEST_OR_TEMPLATE", help="a template is filled in first")
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="queues, keys, logs, upstream file")
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
    example = "python -m simulator upstream --home out/edge --follow"
    parser = add_command(commands, "upstream", "show what has reached the cloud", example)
    parser.add_argument("--home", type=Path, required=True, metavar="DIR", help="the simulator's")
    parser.add_argument("--follow", action="store_true", help="go on showing what arrives")
    parser.add_argument("--json", action="store_true", help="JSON lines with all properties")
    parser.set_defaults(command=show)


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
        logger.warning("%s", warning)
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
        sys.stdout.flush()
        await ended.wait()
    return 0


def show(options: argparse.Namespace) -> int:
    """Print messages, a line each."""
    path = options.home / upstream.FILE
    if not path.exists():
        message = f"there is no {path}; has a runtime run in {options.home}?"
        raise SimulatorError(message)
    last = 0
    try:
        while True:
            last = _print_after(path, last, as_json=options.json)
            if not options.follow:
                return 0
            time.sleep(LOOK_AGAIN)
    except KeyboardInterrupt:
        return 0
    except sqlite3.Error as error:
        message = f"{path} cannot be read: {error}"
        raise SimulatorError(message) from error


def _print_after(path: Path, last: int, *, as_json: bool) -> int:
    for message in upstream.received(path, last):
        last = message.seq
        if as_json:
            sys.stdout.write(json.dumps(message.json(), ensure_ascii=False) + "\n")
        else:
            source = "/".join(part for part in (message.device, message.module, message.output) if part)
            sys.stdout.write(f"{message.seq} {source} {message.body.decode(errors='replace')}\n")
    sys.stdout.flush()
    return last
