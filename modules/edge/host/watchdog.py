"""Ends a process that has stopped making progress: nobody else on the device would notice.

A container's health check never restarts it, so the module watches itself. It ends at the earliest ten minutes after
its start: edgeAgent gives a module up after 20 restarts in a row, and counts anew once it has stayed up for so long.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

log = logging.getLogger(__name__)

EARLIEST_SECONDS = 600.0
# Three times what a call of the SDK may take before its connection is given up.
STALL_SECONDS = 180.0
EXIT_CODE = 3


@dataclass(frozen=True, slots=True)
class Work:
    """Something that must go on.

    Attributes:
        name: What the log calls it.
        waits: Whether there is something to do.
        done: Changes whenever something was done.
    """

    name: str
    waits: Callable[[], bool]
    done: Callable[[], object]


class Watchdog(threading.Thread):
    """Looks at each work now and then, from a thread of its own: a stuck event loop is one of the things to see."""

    def __init__(
        self,
        works: Sequence[Work] = (),
        earliest: float = EARLIEST_SECONDS,
        stall: float = STALL_SECONDS,
        exit_process: Callable[[int], object] = os._exit,
    ) -> None:
        """Prepare the thread.

        Args:
            works: What to look at from the start; the event loop is added.
            earliest: Seconds after the start before which the process is not ended.
            stall: Seconds for which a work may wait and nothing be done of it.
            exit_process: Ends the process; it must not wait for any other thread.
        """
        super().__init__(name="watchdog", daemon=True)
        self._beats = 0
        self._works = [Work("the event loop", lambda: True, lambda: self._beats), *works]
        self._earliest = earliest
        self._stall = stall
        self._exit = exit_process
        self._stopping = threading.Event()

    def watch(self, *works: Work) -> None:
        """Look at these too from now on; may be called while the thread runs."""
        self._works.extend(works)

    @asynccontextmanager
    async def on_duty(self) -> AsyncIterator[None]:
        """Watch while the context is open, and show that the event loop is alive."""
        self.start()
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beat.cancel()
            self._stopping.set()
            self.join()

    async def _beat(self) -> None:
        while True:
            self._beats += 1
            await asyncio.sleep(self._stall / 10)

    def run(self) -> None:
        """Look until told to stop."""
        started = time.monotonic()
        seen: list[tuple[object, float]] = []
        while not self._stopping.wait(self._stall / 10):
            now = time.monotonic()
            seen += [(work.done(), now) for work in self._works[len(seen) :]]
            for index, (work, (done, since)) in enumerate(zip(self._works, seen, strict=False)):
                if not work.waits() or work.done() != done:
                    seen[index] = (work.done(), now)
                elif now - since > self._stall and now - started > self._earliest:
                    log.critical(
                        "%s has waited for %.0f s and nothing was done; the process ends", work.name, now - since
                    )
                    sys.stdout.flush()
                    self._exit(EXIT_CODE)
                    return
