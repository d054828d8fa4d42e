"""`upstream`: what has reached the cloud."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from scoring.arguments import Commands, add_command
from simulator.cli.home import add_home
from simulator.cloud import upstream
from simulator.cloud.upstream import Received
from simulator.errors import SimulatorError

# How often a file is looked at that another process writes.
LOOK_AGAIN = 0.2
# Under which predictions name the device that they are about, as telemetry does.
_ABOUT = "ConnectionDeviceId"


def add(commands: Commands) -> None:
    """Add the command."""
    example = "python -m simulator upstream --home out/edge --output alerts --device Client_001 --follow"
    parser = add_command(commands, "upstream", "show what has reached the cloud", example)
    add_home(parser, "the simulator's")
    parser.add_argument("--output", metavar="NAME", help="only what a module has sent to this output")
    parser.add_argument(
        "--device", metavar="ID", help=f"only what this device has sent, or what names it in {_ABOUT} of its body"
    )
    parser.add_argument("--follow", action="store_true", help="go on showing what arrives")
    parser.add_argument("--json", action="store_true", help="JSON lines with all properties")
    parser.set_defaults(command=show)


def show(options: argparse.Namespace) -> int:
    """Print messages, a line each."""
    path = options.home / upstream.FILE
    if not path.exists():
        raise SimulatorError(f"there is no {path}; has a runtime run in {options.home}?")
    line = _as_json if options.json else _as_text
    last = 0
    try:
        while True:
            last = _print_after(path, last, options, line)
            if not options.follow:
                return 0
            time.sleep(LOOK_AGAIN)
    except KeyboardInterrupt:
        return 0
    except sqlite3.Error as error:
        raise SimulatorError(f"{path} cannot be read: {error}") from error


def _print_after(path: Path, last: int, options: argparse.Namespace, line: Callable[[Received], str]) -> int:
    for message in upstream.received(path, last):
        last = message.seq
        wanted = options.output in {None, message.output} and options.device in {None, *_devices(message)}
        if wanted:
            sys.stdout.write(f"{line(message)}\n")
    sys.stdout.flush()
    return last


def _devices(message: Received) -> set[str]:
    """The one that sent it, and the one that it is about."""
    try:
        body = json.loads(message.body)
    except (ValueError, RecursionError):
        body = None
    about = body.get(_ABOUT) if isinstance(body, dict) else None
    return {message.device, about} if isinstance(about, str) else {message.device}


def _as_json(message: Received) -> str:
    return json.dumps(message.json(), ensure_ascii=False)


def _as_text(message: Received) -> str:
    arrived = datetime.fromtimestamp(message.enqueued, UTC).isoformat(timespec="milliseconds")
    source = "/".join(part for part in (message.device, message.module, message.output) if part)
    # Why the module could not score it.
    told = ": ".join(filter(None, (message.properties.get("reason"), message.properties.get("detail"))))
    parts = (f"{message.seq}", arrived.replace("+00:00", "Z"), source, told and f"({told})")
    return _printable(" ".join([*filter(None, parts), message.body.decode(errors="replace")]))


def _printable(text: str) -> str:
    """The text in one line, that does nothing to a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
