"""The command line of the simulator."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from scoring.arguments import Commands, Parser, add_command
from scoring.console import number
from scoring.version import add_version
from simulator import shipped
from simulator.agent import manifest, template
from simulator.cli import check, devices, remote, run, upstream
from simulator.engines import cmapss
from simulator.engines.wear import SUBSETS
from simulator.private import write_private

# More would not fit a C-MAPSS file's readers; NASA's largest file has 260.
MAX_ENGINES = 100_000


def add_engines(commands: Commands) -> None:
    """`engines`: C-MAPSS files of engines that wear out."""
    example = "python -m simulator engines --out data/simulated --train 50 --test 20"
    parser = add_command(commands, "engines", "write C-MAPSS files of engines that wear out", example)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write them")
    parser.add_argument("--subset", choices=SUBSETS, default="FD003", help="whose regimes and faults they have")
    count = number(int, 1, MAX_ENGINES)
    parser.add_argument("--train", type=count, metavar="N", help="training engines (default: as many as NASA's)")
    parser.add_argument("--test", type=count, metavar="N", help="test engines (default: as many as NASA's)")
    parser.add_argument("--seed", type=number(int, 0, 2**32), default=1, metavar="N", help="what chooses the engines")
    parser.set_defaults(command=write_engines)


def write_engines(options: argparse.Namespace) -> int:
    """Write the files and name them."""
    files = cmapss.write_subset(options.out, options.subset, train=options.train, test=options.test, seed=options.seed)
    sys.stdout.write("".join(f"{file}\n" for file in files))
    return 0


def add_manifest(commands: Commands) -> None:
    """`manifest`: the deployment manifest from its template."""
    example = "python -m simulator manifest --arch arm32v7 --out deployment.json"
    parser = add_command(commands, "manifest", "generate the deployment manifest from its template", example)
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="`modules/` and `.env` are looked for beside it; by default deployment.template.json here, or "
        "else the one that ships, with `.env` here",
    )
    parser.add_argument("--arch", choices=template.ARCHITECTURES, default="amd64", help="the devices'")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="MODULE",
        help="leave it out, with its routes, such as telemetrysource where real telemetry comes; may be repeated",
    )
    parser.set_defaults(command=write_manifest)


def write_manifest(options: argparse.Namespace) -> int:
    """Write the manifest to a file, which only its owner may read, or to standard output."""
    here = Path(shipped.TEMPLATE.name)
    if options.template is None and not here.exists():
        chosen = template.Template(shipped.TEMPLATE, options.arch, settings=Path(".env"))
    else:
        chosen = template.Template(options.template or here, options.arch)
    made = chosen.manifest()
    for name in options.without:
        for route in manifest.without(made, name):
            sys.stderr.write(f"the route {route} is left out with {name}\n")
    manifest.parse(made)
    warnings = [*manifest.warnings(made), *manifest.device_warnings(made)]
    if options.out:
        warnings += [
            f"{options.out} holds the password of {registry}: only you may read it; keep it out of a repository"
            for registry in manifest.passwords(made)
        ]
    sys.stderr.write("".join(f"warning: {each}\n" for each in warnings))
    content = json.dumps(made, indent=2) + "\n"
    if options.out:
        write_private(options.out, content.encode())
    else:
        sys.stdout.write(content)
    return 0


def dispatch(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can put right is raised."""
    parser = Parser(
        prog="python -m simulator", description="Runs edge devices without Azure: a hub, an agent, leaf devices."
    )
    add_version(parser)
    commands = parser.add_commands()
    add_engines(commands)
    add_manifest(commands)
    check.add(commands)
    run.add(commands)
    upstream.add(commands)
    devices.add(commands)
    remote.add(commands)
    options = parser.parse_args(arguments)
    return int(options.command(options))
