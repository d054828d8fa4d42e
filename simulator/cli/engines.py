"""`engines`: C-MAPSS files of engines that wear out."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scoring.arguments import Commands, add_command
from scoring.cli.console import number
from simulator.engines import cmapss
from simulator.engines.wear import SUBSETS

# More would not fit a C-MAPSS file's readers; NASA's largest file has 260.
MAX_ENGINES = 100_000


def add(commands: Commands) -> None:
    """Add the command."""
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
