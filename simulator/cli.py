"""The command line of the simulator."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from simulator import cmapss, devices_command, manifest, remote_commands, run_command
from simulator.engines import SUBSETS
from simulator.errors import SimulatorError


def add_engines(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`engines`: C-MAPSS files of engines that wear out."""
    parser = commands.add_parser("engines", help="write C-MAPSS files of engines that wear out")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--subset", choices=SUBSETS, default="FD003")
    parser.add_argument("--train", type=int, metavar="N", help="training engines (default: as many as NASA's)")
    parser.add_argument("--test", type=int, metavar="N", help="test engines (default: as many as NASA's)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="what chooses the engines")
    parser.set_defaults(command=write_engines)


def write_engines(options: argparse.Namespace) -> int:
    """Write the files and name them."""
    files = cmapss.write_subset(options.out, options.subset, train=options.train, test=options.test, seed=options.seed)
    sys.stdout.write("".join(f"{file}\n" for file in files))
    return 0


def add_manifest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`manifest`: the deployment manifest from its template."""
    parser = commands.add_parser("manifest", help="generate the deployment manifest from its template")
    parser.add_argument("--template", type=Path, default=Path("deployment.template.json"), metavar="FILE")
    parser.add_argument("--arch", choices=manifest.ARCHITECTURES, default="amd64")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    parser.set_defaults(command=write_manifest)


def write_manifest(options: argparse.Namespace) -> int:
    """Write the manifest to a file or to standard output."""
    made = manifest.Template(options.template, options.arch).manifest()
    sys.stderr.write("".join(f"warning: {each}\n" for each in manifest.warnings(made)))
    content = json.dumps(made, indent=2) + "\n"
    if options.out:
        options.out.write_text(content, encoding="utf-8")
    else:
        sys.stdout.write(content)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run a command; an error that the user can put right is one line."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_engines(commands)
    add_manifest(commands)
    run_command.add(commands)
    devices_command.add(commands)
    remote_commands.add(commands)
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options))
    except SimulatorError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
