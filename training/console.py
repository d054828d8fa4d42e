"""What a command tells the person who started it: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def note(text: str, *, passing: bool = False) -> None:
    """Write progress or an error; a passing note is overwritten by the next on a terminal, and left out elsewhere."""
    if passing and not sys.stderr.isatty():
        return
    sys.stderr.write(f"\r{text}\x1b[K" if passing else f"{text}\n")
    sys.stderr.flush()
