"""How a command is ended by Ctrl-C or SIGTERM: at once, with nothing half written and no process left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class EndedError(BaseException):
    """Somebody has told the command to end.

    Not a KeyboardInterrupt: scikit-learn's networks take that for the end of a fit that is good enough, and go on.
    """


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Within this, Ctrl-C and SIGTERM raise `EndedError`, wherever the main thread is."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: what follows must not be cut short while it tidies up.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise EndedError
