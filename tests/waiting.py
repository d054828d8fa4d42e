"""Waiting for what must happen, with a limit: what never comes is told where it was waited for."""

import asyncio
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds; far more than anything takes on a slow machine, and less than the limit of a whole test."""


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds, while the event loop goes on."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not come true in {seconds:g} s"
        await asyncio.sleep(0.005)


def until_now(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds, where no event loop runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"did not come true in {seconds:g} s"
        time.sleep(0.02)
