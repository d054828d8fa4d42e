"""How fast a replay goes."""

from __future__ import annotations

import asyncio

# A cycle is one flight.
CYCLE_SECONDS = 3_600.0
HIGHEST_RATE = 10_000.0


class Pace:
    """At most `rate` messages a second, and with a speed-up no cycle before its time.

    Attributes:
        rate: Messages a second for all engines together; 0 is as fast as edgeHub takes them.
    """

    def __init__(self, rate: float, speed_up: float = 0.0, cycle_seconds: float = CYCLE_SECONDS) -> None:
        """Set the pace.

        Args:
            rate: Messages a second; 0 for no limit.
            speed_up: How many times faster than in life cycles follow each other; 0: they do not wait.
            cycle_seconds: How long a cycle takes in life.
        """
        self.rate = rate
        self._cycle_seconds = cycle_seconds / speed_up if speed_up else 0.0
        self._origin: float | None = None
        self._next = 0.0

    async def wait(self, cycle: int) -> None:
        """Wait until the next message may go, which is one of this cycle."""
        now = asyncio.get_running_loop().time()
        if self._origin is None:
            # Where a replay is taken up again, the cycle that it left at is due at once.
            self._origin = now - cycle * self._cycle_seconds
        # What could not be sent in time is made up for, but no more than a second's worth.
        due = max(self._next, now - 1.0, self._origin + cycle * self._cycle_seconds)
        self._next = due + (1.0 / self.rate if self.rate else 0.0)
        if due > now:
            await asyncio.sleep(due - now)

    def use_rate(self, rate: float) -> None:
        """Go at another rate from the next message on."""
        self.rate = rate
