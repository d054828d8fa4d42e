"""What can be made to go wrong with a running hub."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

# Stands for every client.
ALL = "*"


@dataclass
class Disturbance:
    """The faults that are on; clients are named by module or device id, `*` is all.

    Attributes:
        refuse: clients whose credentials are refused.
        withhold: clients whose messages are stored, but not acknowledged.
        delay: seconds between a message's storing and its acknowledgement.
        token_life: seconds after which any token counts as expired.
        skew: seconds that the hub's clock is ahead.
    """

    refuse: set[str] = field(default_factory=set)
    withhold: set[str] = field(default_factory=set)
    delay: float = 0.0
    token_life: float | None = None
    skew: float = 0.0

    def now(self) -> float:
        """The hub's idea of the time, in unix seconds."""
        return time.time() + self.skew

    def refuses(self, name: str) -> bool:
        """Whether a client's credentials are refused."""
        return bool(self.refuse & {name, ALL})

    def withholds(self, name: str) -> bool:
        """Whether a client gets no acknowledgements."""
        return bool(self.withhold & {name, ALL})

    def clear(self) -> None:
        """End all of these."""
        vars(self).update(vars(Disturbance()))
