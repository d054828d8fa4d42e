"""`search`: compare model families and settings by cross-validation."""

from __future__ import annotations

import argparse
from pathlib import Path

from scoring.cli.console import note, say
from training.cli import data as engines
from training.cli.data import add_data, add_endings
from training.fitting.search import search
from training.progress import told


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_data(parser)
    add_endings(parser)
    parser.add_argument("--out", type=Path, default=Path("out/search"), help="directory; default: out/search")
    parser.add_argument("--jobs", type=int, default=2, help="processes that work at once; default: 2")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    given = engines.with_endings(options, engines.training(options))
    # What is compared is compared on what is known.
    data = given.of(given.failed)
    if len(data.endings) < len(given.endings):
        words = data.task.words
        note(f"compared on the {len(data.endings)} of {len(given.endings)} {words.machines} that have failed")
    with told() as tell:
        table = search(data, options.out, tell, options.jobs)
    say(table)
