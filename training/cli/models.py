"""`models`: make the models that ship, with their cards."""

from __future__ import annotations

import argparse
from pathlib import Path

from scoring.cli.console import say
from training.cli.data import add_directory
from training.progress import told
from training.release.card import overview
from training.release.fleet import ship


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_directory(parser)
    parser.add_argument("--out", type=Path, default=Path("models"), help="directory; default: models")
    parser.add_argument("--jobs", type=int, default=2, help="processes that work at once; default: 2")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    with told() as tell:
        models = ship(options.data, options.out, tell, options.jobs)
    say(overview(models))
