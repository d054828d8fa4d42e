"""`fetch`: bring NASA's C-MAPSS data."""

from __future__ import annotations

import argparse
from pathlib import Path

from scoring.cli.console import note, say
from training.data.fetch import URL, fetch


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--url", default=URL, help="of the zip")
    parser.add_argument("--out", type=Path, default=Path("data/cmapss"), help="default: data/cmapss")


def run(options: argparse.Namespace) -> None:
    """Run the command."""

    def progress(have: int, total: int | None) -> None:
        of = f" of {total / 1e6:.1f}" if total else ""
        note(f"{have / 1e6:.1f}{of} MB", passing=True)

    paths = fetch(options.out, options.url, progress)
    say(f"{len(paths)} files in {options.out}, all with the right sums")
