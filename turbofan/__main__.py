"""`turbofan`, or `python -m turbofan`: lists all commands, and runs each as `python -m PACKAGE` does."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from scoring.cli.console import reader_gone
from scoring.version import VERSION
from simulator.shipped import FOLDER


class Command(NamedTuple):
    """A command of a package.

    Attributes:
        package: Whose it is.
        purpose: What it does.
    """

    package: str
    purpose: str


COMMANDS: dict[str, dict[str, Command]] = {
    "Try it": {
        "demo": Command("demo", "the main job on this machine, from end to end"),
        "engines": Command("simulator", "write telemetry of engines that wear out"),
    },
    "Train a model": {
        "fetch": Command("training", "bring NASA's C-MAPSS data"),
        "inspect": Command("training", "look at files of readings, and write the task that they make"),
        "show": Command("training", "show what is in files of readings or messages"),
        "censor": Command("training", "take engines of a set out before they fail"),
        "search": Command("training", "compare model families and settings"),
        "fit": Command("training", "train a model and export it as one ONNX file"),
        "evaluate": Command("training", "compare its predictions with the truth"),
        "benchmark": Command("training", "judge any model, or any predictions, on the four test sets"),
        "report": Command("training", "draw how good it is, as one HTML file"),
        "export": Command("training", "make any scikit-learn model of single rows one that devices serve"),
        "models": Command("training", "make the models that ship, with their cards"),
    },
    "Score": {
        "serve": Command("scoring", "score over HTTP"),
        "batch": Command("scoring", "score files"),
        "compare": Command("scoring", "show where two models differ"),
    },
    "Ship it to devices": {
        "manifest": Command("simulator", "generate the deployment manifest from its template"),
        "check": Command("simulator", "judge a manifest as a device would, and where messages go"),
        "run": Command("simulator", "run an edge device from a manifest"),
        "upstream": Command("simulator", "show what has reached the cloud"),
        "capture": Command("simulator", "store what has reached the cloud, as IoT Hub does"),
        "devices": Command("simulator", "run leaf devices that send telemetry"),
        "status": Command("simulator", "tell how the device, its modules and clients are"),
        "module": Command("simulator", "start, stop or kill a module"),
        "logs": Command("simulator", "show what a module has written"),
        "twin": Command("simulator", "show a twin, or patch its desired properties"),
        "method": Command("simulator", "call a direct method"),
        "debug": Command("simulator", "give the environment for a module under a debugger"),
        "fault": Command("simulator", "make something go wrong"),
    },
}
"""By who needs them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command, or list them all; 2 where there is none of that name, or it lacks what it needs."""
    name, *rest = [*(sys.argv[1:] if arguments is None else arguments), ""]
    if name in ("", "-h", "--help", "help"):
        try:
            sys.stdout.write(_listed())
            sys.stdout.flush()
        except BrokenPipeError:
            return reader_gone()
        return 0
    if name == "--files":
        sys.stdout.write(f"{FOLDER}\n")
        return 0
    if name == "--version":
        sys.stdout.write(f"turbofan-edge {VERSION}\n")
        return 0
    commands = {name: command for kind in COMMANDS.values() for name, command in kind.items()}
    if name not in commands:
        near = difflib.get_close_matches(name, commands, n=1)
        hint = f"; did you mean {near[0]}?" if near else ";"
        sys.stderr.write(f"error: there is no command {name!r}{hint} `turbofan` lists them all\n")
        return 2
    command = commands[name]
    package = import_module(f"{command.package}.__main__")
    own = [] if command.package == name else [name]
    status: int = package.main([*own, *rest[:-1]])
    return status


def _listed() -> str:
    lines = ["turbofan COMMAND ...: how long an engine will last, from training to the device", ""]
    for kind, commands in COMMANDS.items():
        lines += [kind, *(f"  {name:<10}{command.purpose}" for name, command in commands.items()), ""]
    lines += [
        "`turbofan COMMAND --help` tells what it takes, `turbofan --files` where",
        "the models and the deployment's template are that ship.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
