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
        refuse: Clients whose credentials are refused.
        withhold: Clients whose messages are stored, but not acknowledged.
        delay: Seconds between a message's storing and its acknowledgement.
        token_life: Seconds after which any token counts as expired.
        skew: Seconds that the hub's clock is ahead.
        report_status: By client, with which status its reports are answered instead of being kept.
        silent_twin: Clients whose twin requests, reads and reports, are never answered.
        twin_delay: Seconds after which a request to read a twin is answered.
        garbled_twin: With which bytes a request to read a twin is answered.
        choke: On a message that holds these bytes, its sender's connection is closed.
    """

    refuse: set[str] = field(default_factory=set)
    withhold: set[str] = field(default_factory=set)
    delay: float = 0.0
    token_life: float | None = None
    skew: float = 0.0
    report_status: dict[str, int] = field(default_factory=dict)
    silent_twin: set[str] = field(default_factory=set)
    twin_delay: float = 0.0
    garbled_twin: bytes | None = None
    choke: bytes | None = None

    def now(self) -> float:
        """The hub's idea of the time, in unix seconds."""
        return time.time() + self.skew

    def refuses(self, name: str) -> bool:
        """Whether a client's credentials are refused."""
        return bool(self.refuse & {name, ALL})

    def withholds(self, name: str) -> bool:
        """Whether a client gets no acknowledgements."""
        return bool(self.withhold & {name, ALL})

    def silences(self, name: str) -> bool:
        """Whether a client's twin requests get no answer."""
        return bool(self.silent_twin & {name, ALL})

    def refuses_report(self, name: str) -> int | None:
        """With which status a client's report is refused, if it is."""
        return self.report_status.get(name, self.report_status.get(ALL))

    def chokes(self, topic: str, body: bytes) -> bool:
        """Whether the hub closes the connection on a message."""
        return self.choke is not None and (self.choke in body or self.choke in topic.encode())

    def clear(self) -> None:
        """End all of these."""
        vars(self).update(vars(Disturbance()))
