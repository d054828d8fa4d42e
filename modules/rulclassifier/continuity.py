"""Which readings continue what is known of an engine, and which are so far ahead that another has to confirm them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from scoring.telemetry.history import History
from scoring.telemetry.record import Telemetry

# Three windows: so many flights without a message is a gap; more is rather a counter that went wrong.
JUMP = 150
CONFIRM_SECONDS = 3_600.0
# The same reading again and again confirms nothing; a hub repeats one that it believes lost.
MAX_OF_ENGINE = 8


class Ticket(NamedTuple):
    """A record on its way.

    Attributes:
        seq: The place of its message in the inbox.
        number: Which record of its message it is.
        since: Since when it is held back, in seconds since 1970; 0 if it is not.
        record: The record.
    """

    seq: int
    number: int
    since: float
    record: Telemetry


class Admission(NamedTuple):
    """What becomes of a record and of those held back before it.

    Attributes:
        admitted: What can be scored now, in order.
        held: The record, if it is held back.
        given_up: What has no successor: of those held back, or the record itself where too many are.
    """

    admitted: tuple[Ticket, ...] = ()
    held: Ticket | None = None
    given_up: tuple[Ticket, ...] = ()


class Continuity:
    """Holds a reading back that is far ahead of its engine's newest, until the next one goes on from there."""

    def __init__(self, history: History, jump: int, seconds: float, clock: Callable[[], float] = time.time) -> None:
        """Begin with nothing held back.

        Args:
            history: What is known of the engines.
            jump: How many cycles a reading may be ahead without being held back.
            seconds: How long one is held back.
            clock: Seconds since 1970.
        """
        self.confirmed = 0
        """How many readings that were held back have been confirmed since the start."""
        self._history = history
        self._jump = jump
        self._seconds = seconds
        self._clock = clock
        self._held: dict[str, list[Ticket]] = {}

    def __len__(self) -> int:
        """How many records are held back."""
        return sum(map(len, self._held.values()))

    def __iter__(self) -> Iterator[Ticket]:
        return (each for waiting in self._held.values() for each in waiting)

    @property
    def messages(self) -> set[int]:
        """The places of the messages whose records are held back."""
        return {each.seq for each in self}

    def is_next(self, record: Telemetry) -> bool:
        """Whether a record goes on from what is known of its engine, of which nothing is held back."""
        newest = self._history.newest(record.engine)
        return (newest is None or record.cycle - newest <= self._jump) and record.engine not in self._held

    def admit(self, ticket: Ticket) -> Admission:
        """Decide on a record that comes now."""
        engine, cycle = ticket.record.engine, ticket.record.cycle
        newest = self._history.newest(engine)
        if newest is None or cycle - newest <= self._jump:
            return Admission((ticket,))
        waiting = self._held.get(engine, [])
        stamped = ticket._replace(since=self._clock())
        if not waiting:
            self._held[engine] = [stamped]
            return Admission(held=stamped)
        ahead = cycle - waiting[0].record.cycle
        if ahead == 0 and len(waiting) < MAX_OF_ENGINE:
            waiting.append(stamped)
            return Admission(held=stamped)
        if ahead == 0:
            return Admission(given_up=(ticket,))
        if abs(ahead) <= self._jump:
            del self._held[engine]
            self.confirmed += len(waiting)
            return Admission((*waiting, ticket) if ahead > 0 else (ticket, *waiting))
        self._held[engine] = [stamped]
        return Admission(held=stamped, given_up=tuple(waiting))

    def caught_up(self, engine: str) -> tuple[Ticket, ...]:
        """What was held back of an engine and is not far ahead any more; it is held no longer."""
        waiting = self._held.get(engine)
        if not waiting:
            return ()
        newest = self._history.newest(engine)
        if newest is not None and waiting[0].record.cycle - newest > self._jump:
            return ()
        del self._held[engine]
        self.confirmed += len(waiting)
        return tuple(waiting)

    def overdue(self) -> list[Ticket]:
        """What has been held back for too long; it is held no longer."""
        now = self._clock()
        gone: list[Ticket] = []
        for engine, held in list(self._held.items()):
            # A clock that was set back would hold them for ever.
            waiting = [each._replace(since=min(each.since, now)) for each in held]
            gone += [each for each in waiting if now - each.since >= self._seconds]
            kept = [each for each in waiting if now - each.since < self._seconds]
            if kept:
                self._held[engine] = kept
            else:
                del self._held[engine]
        return gone

    def give_up(self) -> list[Ticket]:
        """All that is held back; it is held no longer."""
        gone = list(self)
        self._held.clear()
        return gone

    def drop(self, seq: int) -> list[tuple[int, int]]:
        """Hold nothing back of a message any more; its place and the numbers of the records that were."""
        gone = [(each.seq, each.number) for each in self if each.seq == seq]
        for engine, waiting in list(self._held.items()):
            kept = [each for each in waiting if each.seq != seq]
            if kept:
                self._held[engine] = kept
            else:
                del self._held[engine]
        return gone

    def hold(self, ticket: Ticket) -> None:
        """Hold a record back that an earlier process has held."""
        self._held.setdefault(ticket.record.engine, []).append(ticket)
