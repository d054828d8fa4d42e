"""Programs: how each of the project's commands ends, whatever becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from scoring.cli.console import note, reader_gone
from scoring.errors import ScoringError

FAILED = 2
"""A command could not do what it was asked, and has said why in one line on stderr."""
STOPPED = 130
"""A command was told to stop, as shells have it after Ctrl-C."""


def status_of(
    command: Callable[[], int | None],
    *expected: type[Exception],
    stops: tuple[type[BaseException], ...] = (KeyboardInterrupt,),
) -> int:
    """Run a command, and say how it ended.

    Args:
        command: Returns its status; None is 0.
        expected: Errors whose text is for people, besides this package's and the system's.
        stops: What it raises where somebody has told it to end.

    Returns:
        The status of the process.
    """
    told: tuple[type[Exception], ...] = (*expected, ScoringError, OSError)
    try:
        status = command()
        sys.stdout.flush()
    except stops:
        note("stopped")
        return STOPPED
    except BrokenPipeError:
        return reader_gone()
    except told as error:
        note(f"error: {error}")
        return FAILED
    return status or 0
