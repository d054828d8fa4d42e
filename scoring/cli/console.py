"""What commands have in common: options that are numbers, results on stdout, progress and errors on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Collection
from typing import TypeVar

from scoring.predictions.lasting import Lasting, lasting
from scoring.telemetry.history import DEFAULT_ENGINES

Number = TypeVar("Number", int, float)


def number(kind: type[Number], lowest: Number, highest: Number) -> Callable[[str], Number]:
    """Reads an option that is a number from `lowest` to `highest`.

    Args:
        kind: Such as int.
        lowest: The smallest that is taken.
        highest: The largest that is taken.
    """

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r}, expected a number from {lowest} to {highest}")
        return value

    return parse


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """Add what a command asks about engines that are remembered: `--engine` and `--engines`."""
    parser.add_argument("--engine", default="", metavar="NAME", help="the engine of records that name none")
    parser.add_argument(
        "--engines",
        type=number(int, 1, 1_000_000),
        default=DEFAULT_ENGINES,
        help="how many are remembered, the least recently seen goes first",
    )


def add_chance_option(parser: argparse.ArgumentParser) -> None:
    """Add `--chance-to-last`."""
    parser.add_argument(
        "--chance-to-last",
        type=_lasting,
        default=(),
        metavar="CYCLES",
        help="say how likely an engine lasts longer than so many cycles: numbers with commas between, or `curve` for "
        "those that the model itself tells",
    )


def _lasting(text: str) -> Lasting:
    try:
        return lasting(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}, {error}") from error


REFUSED = 3
"""What a command ends with that refused all it was given, or more than was allowed."""


def note_empty(empty: Collection[str], files: int) -> None:
    """Say how many files hold no message, if any does."""
    if empty:
        note(f"{len(empty):,} of {files:,} files hold no message, such as {next(iter(empty))}")


def say(text: str) -> None:
    """Write a result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def reader_gone() -> int:
    """What a command ends with whose reader has seen enough, as `head` has: that is no error."""
    # What is still to be written at the end has nowhere to go.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def note(text: str, *, passing: bool = False) -> None:
    """Write progress or an error; a passing note is overwritten by the next on a terminal, and left out elsewhere."""
    if passing and not sys.stderr.isatty():
        return
    sys.stderr.write(f"\r{text}\x1b[K" if passing else f"{text}\n")
    sys.stderr.flush()
