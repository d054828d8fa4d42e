"""Sends several messages at once, but those of one engine one after the other, and alone what may end connections."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from modules.edge.hub.message import OutputMessage

log = logging.getLogger(__name__)

# The SDK gains up to half again by sends in flight together, and no more beyond some 20.
IN_FLIGHT = 20
# So that a few engines with much to say do not hold up the others: this many may wait behind one of their own engine.
SUBMITTED = 200
# What is under way at the end gets this long to be acknowledged; all else would be sent twice.
CLOSE_SECONDS = 2.0
# What can be neither sent nor replaced, because the disk refuses, is looked at again after this.
RETRY_SECONDS = 5.0
# How many others a connection has to carry before its end on a message counts, the first time, the second, the third
# in a row. Where one in ten sends ends a connection, or each connection ends after so many, no message is to blame.
PROOFS = (1, 20, 40)
# Where nothing was ever acknowledged and nothing else waits, the next of the same engine is the proof after so many.
ENDS_BEFORE_THE_NEXT = 3


class ConnectionLostError(Exception):
    """A connection ended before a message that it carried was acknowledged.

    Attributes:
        carried: How many others it had carried before; 0 where something else may be the reason.
    """

    def __init__(self, carried: int) -> None:
        super().__init__("the connection was lost before the acknowledgement")
        self.carried = carried


class Link(Protocol):
    """What a sender sends by."""

    @property
    def carried(self) -> int:
        """How many messages have been acknowledged on the connection that stands."""

    async def send(self, message: OutputMessage, *, alone: bool = False) -> None:
        """Send a message, as soon as there is a connection; returns once it is acknowledged.

        Args:
            message: The message.
            alone: Nothing else is under way: if the connection ends, it is because of this.

        Raises:
            ValueError: It can never be sent.
            ConnectionLostError: The connection ended before.
        """


class Parcel:
    """A message on its way, and what becomes of it.

    Attributes:
        message: The message.
        is_suspect: A connection has ended while it was under way: it goes alone.
        is_grave: A connection has ended on it alone: the next one has to prove itself first.
        ends: How many connections have ended on it alone since this process began.
        in_a_row: How many in a row, each of them proven.
    """

    def __init__(
        self, message: OutputMessage, acknowledged: Callable[[], None] = lambda: None, *, in_a_row: int = 0
    ) -> None:
        """Take a message.

        Args:
            message: The message.
            acknowledged: Called once edgeHub has it.
            in_a_row: How many connections ended on it alone before this process began.
        """
        self.message = message
        self.acknowledged = acknowledged
        self.is_suspect = self.is_grave = in_a_row > 0
        self.ends = 0
        self.in_a_row = in_a_row

    @property
    def proof(self) -> int:
        """How many others the connection has to carry before it goes."""
        return PROOFS[min(self.in_a_row, len(PROOFS) - 1)] if self.is_grave else 0

    async def count_lost(self) -> bool:
        """Count a proven connection that ended on this message alone; whether it is to be replaced."""
        return False

    async def replace(self, why: str) -> Sequence[Parcel] | None:
        """What is sent in its place; None if that cannot be said now.

        Args:
            why: What keeps the message from being sent.
        """
        log.error("message %s cannot be sent and is dropped: %s", self.message.message_id, why)
        self.acknowledged()
        return ()


class OrderedSender:
    """At most `IN_FLIGHT` sends under way, at most one of them for each order key.

    What was under way when a connection ended may be the reason, so it is sent again with nothing else in flight. If
    one ends on it alone, the next has to carry others first: a connection that carries nothing at all, or ends now and
    then whatever it carries, says nothing about the message that it ended on.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        # By order key what is submitted; the first of each is under way or about to be.
        self._lanes: dict[str, deque[Parcel]] = {}
        self._ready: deque[Parcel] = deque()
        self._suspects: deque[Parcel] = deque()
        self._flights: set[asyncio.Task[None]] = set()
        self._is_alone = False
        self._submitted = 0
        self._landed = asyncio.Event()
        self._last_acknowledged: OutputMessage | None = None

    async def submit(self, parcel: Parcel) -> None:
        """Take a message, as soon as there is a place for it, to send it when its turn has come."""
        await self._until(lambda: self._submitted < SUBMITTED)
        self._submitted += 1
        lane = self._lanes.setdefault(parcel.message.order, deque())
        lane.append(parcel)
        if len(lane) == 1:
            self._make_ready(parcel)

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        await self._until(lambda: not self._submitted)

    async def close(self) -> None:
        """Give what is under way its time to be acknowledged, and then give it up."""
        try:
            await asyncio.wait_for(self.idle(), CLOSE_SECONDS)
        except TimeoutError:
            self._ready.clear()
            self._suspects.clear()
            for flight in self._flights:
                flight.cancel()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._landed.clear()
            await self._landed.wait()

    def _make_ready(self, parcel: Parcel) -> None:
        (self._suspects if parcel.is_suspect else self._ready).append(parcel)
        self._start()

    def _start(self) -> None:
        """Start what may go now."""
        while not self._is_alone and len(self._flights) < IN_FLIGHT:
            nothing_else = not (self._ready or self._flights)
            if self._suspects and (nothing_else or self._link.carried >= self._suspects[0].proof):
                if self._flights:
                    # The one that goes alone waits for them, and nothing new starts until then.
                    return
                self._is_alone = True
                self._fly(self._suspects.popleft())
            elif self._ready:
                self._fly(self._ready.popleft())
            else:
                return

    def _fly(self, parcel: Parcel) -> None:
        flight = asyncio.create_task(self._send_alone(parcel) if parcel.is_suspect else self._send(parcel))
        self._flights.add(flight)
        flight.add_done_callback(self._end)

    def _end(self, flight: asyncio.Task[None]) -> None:
        self._flights.discard(flight)
        if not self._flights:
            self._is_alone = False
        self._start()

    async def _send(self, parcel: Parcel) -> None:
        try:
            await self._link.send(parcel.message)
        except ValueError as error:
            await self._replace(parcel, str(error))
        except ConnectionLostError:
            self._break_rows()
            parcel.is_suspect = True
            self._suspects.append(parcel)
        else:
            self._acknowledge(parcel)

    async def _send_alone(self, parcel: Parcel) -> None:
        try:
            await self._prove(parcel)
        except ConnectionLostError:
            self._suspects.appendleft(parcel)
            self._break_rows()
            return
        try:
            await self._link.send(parcel.message, alone=True)
        except ValueError as error:
            await self._replace(parcel, str(error))
        except ConnectionLostError as error:
            self._break_rows()
            is_proven = error.carried > 0
            parcel.is_grave = True
            parcel.ends += 1
            parcel.in_a_row += is_proven
            if is_proven and await parcel.count_lost():
                await self._replace(parcel, "connections end on it")
            else:
                # The same again, so that what ends connections is known before another is tried.
                self._suspects.appendleft(parcel)
        else:
            self._acknowledge(parcel)

    async def _prove(self, parcel: Parcel) -> None:
        """Show that the connection carries, where nothing else waits that would: by what may come twice without harm.

        Raises:
            ConnectionLostError: It does not.
        """
        repeat = self._last_acknowledged
        lane = self._lanes[parcel.message.order]
        if repeat is None and parcel.ends >= ENDS_BEFORE_THE_NEXT and len(lane) > 1:
            repeat = lane[1].message
        while repeat is not None and self._link.carried < parcel.proof:
            try:
                await self._link.send(repeat)
            except ValueError:
                # It was the next of the same engine, which will be told when its turn has come.
                return

    def _break_rows(self) -> None:
        """A connection has ended on something else than those that wait; they may go without proof again."""
        for each in self._suspects:
            each.in_a_row = 0
            each.is_grave = False

    def _acknowledge(self, parcel: Parcel) -> None:
        self._last_acknowledged = parcel.message
        parcel.acknowledged()
        self._leave(parcel, ())

    async def _replace(self, parcel: Parcel, why: str) -> None:
        replacements = await parcel.replace(why)
        if replacements is None:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._make_ready, parcel)
        else:
            self._leave(parcel, replacements)

    def _leave(self, parcel: Parcel, replacements: Sequence[Parcel]) -> None:
        """Take a parcel out of its lane; what replaces it takes its place."""
        order = parcel.message.order
        lane = self._lanes[order]
        lane.popleft()
        lane.extendleft(reversed(replacements))
        self._submitted += len(replacements) - 1
        self._landed.set()
        if lane:
            self._make_ready(lane[0])
        else:
            del self._lanes[order]
