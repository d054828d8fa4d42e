"""Code that needs an extra of the package: imported where it is asked for, as a device has not what all of it needs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from scoring.errors import ScoringError


def import_for(asked: str, module: str, extra: str) -> ModuleType:
    """Import a module for something that was asked for.

    Args:
        asked: What needs it, for the refusal, such as "`serve`".
        module: Its full name.
        extra: The extras of turbofan-edge that bring what it imports, with commas between.

    Raises:
        ScoringError: Something that it imports is not installed.
    """
    try:
        with _signals_wait():
            return import_module(module)
    except ModuleNotFoundError as error:
        raise ScoringError(
            f'{asked} needs {error.name}, which is not installed: pip install "turbofan-edge[{extra}]"'
        ) from error


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Ctrl-C and SIGTERM take effect at the end: interrupted as it is loaded, an extension tells another error."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda each, _frame: arrived.append(each)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if arrived:
            signal.raise_signal(arrived[0])
