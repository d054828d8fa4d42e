"""Sends what stands in the journal's outbox, and remembers what edgeHub has acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from modules.edge.hub.message import OutputMessage
from modules.edge.hub.sender import Link, OrderedSender, Parcel
from modules.edge.journal import Journal, JournalError, Outgoing

log = logging.getLogger(__name__)

# What waits in memory at most; a backlog of hours is read from the disk page by page.
PAGE = 200
# One may end by chance while a message is alone on it, and a second; edgeHub restarts now and then.
LOST_CONNECTIONS = 3

Replace = Callable[[OutputMessage], Sequence[OutputMessage]]
"""What is sent in place of a message that edgeHub does not take."""


class Outbox:
    """Sends a journal's outbox in order. What was added last is sent from memory, a backlog from the disk."""

    def __init__(self, journal: Journal, link: Link, replace: Replace) -> None:
        """Prepare to send; to be called in the event loop.

        Args:
            journal: Whose outbox it is.
            link: What it sends by.
            replace: What is sent in place of a message that edgeHub does not take.
        """
        self.sent = 0
        """How many messages edgeHub has acknowledged since the start."""
        self.replaced = 0
        """How many messages edgeHub did not take, and were replaced since the start."""
        self._journal = journal
        self._replace = replace
        self._sender = OrderedSender(link)
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._ready: deque[Outgoing] = deque()
        # All up to this place has been read or has gone through memory.
        self._last = 0
        # The place of the newest message in the journal, and whether all up to it went through memory.
        self._newest = journal.newest_outgoing
        self._in_memory = False
        # Replacements go by hand and not by page; while they are added, no page is read that might hold them.
        self._reading = asyncio.Lock()
        self._by_hand: set[int] = set()
        # Filled by the event loop, emptied by the thread that writes the journal: a deque is safe between two.
        self._acknowledged: deque[Outgoing] = deque()

    @property
    def in_memory(self) -> int:
        """How many messages wait in memory: those of a page, and of one settlement more, at most."""
        return len(self._ready)

    def offer(self, added: Sequence[Outgoing]) -> None:
        """Say what the journal's outbox has gained; may be called from any thread."""
        if added:
            self._loop.call_soon_threadsafe(self._offer, added)

    def take_acknowledged(self) -> list[Outgoing]:
        """What was acknowledged since this was last asked, to be taken out of the journal."""
        return [self._acknowledged.popleft() for _ in range(len(self._acknowledged))]

    async def run(self) -> None:
        """Send until cancelled; then wait a moment for what is under way."""
        try:
            while True:
                while self._ready:
                    outgoing = self._ready.popleft()
                    await self._sender.submit(_Entry(self, outgoing))
                    self._last = max(self._last, outgoing.seq)
                if self._last < self._newest:
                    await self._read_page()
                else:
                    self._in_memory = True
                    self._filled.clear()
                    await self._filled.wait()
        finally:
            await self._sender.close()

    async def _read_page(self) -> None:
        async with self._reading:
            newest = self._newest
            page = await asyncio.to_thread(self._journal.outgoing, self._last, PAGE)
            self._ready.extend(each for each in page if each.seq not in self._by_hand)
            # Nothing behind the last one: the rest has left the journal since.
            self._last = page[-1].seq if page else newest

    def _offer(self, added: Sequence[Outgoing]) -> None:
        self._newest = added[-1].seq
        if self._in_memory and len(self._ready) < PAGE:
            self._ready.extend(added)
        else:
            self._in_memory = False
        self._filled.set()

    def acknowledge(self, outgoing: Outgoing) -> None:
        """Take note that edgeHub has a message."""
        self.sent += 1
        self._acknowledged.append(outgoing)

    async def count_lost(self, outgoing: Outgoing) -> Outgoing:
        """Count, on disk, a connection that ended on a message alone; return the message as it stands there now."""
        try:
            return await asyncio.to_thread(self._journal.count_lost, outgoing)
        except JournalError as error:
            log.error("%s; a connection that ended on message %s is not counted", error, outgoing.message.message_id)
            return outgoing

    async def replace(self, outgoing: Outgoing, why: str) -> Sequence[Parcel] | None:
        """Replace a message that edgeHub does not take; None if the disk refuses."""
        message = outgoing.message
        try:
            async with self._reading:
                added = await asyncio.to_thread(self._journal.replace, outgoing, self._replace(message))
                self._by_hand = {each for each in self._by_hand if each > self._last} | {each.seq for each in added}
        except JournalError as error:
            log.error("%s; message %s, which cannot be sent, stays", error, message.message_id)
            return None
        self.replaced += 1
        log.error("message %s for %s is replaced by a dead letter: %s", message.message_id, message.output, why)
        return [_Entry(self, each, is_replacement=True) for each in added]


class _Entry(Parcel):
    """A message of the outbox on its way."""

    def __init__(self, outbox: Outbox, outgoing: Outgoing, *, is_replacement: bool = False) -> None:
        super().__init__(outgoing.message, lambda: outbox.acknowledge(self._outgoing), in_a_row=outgoing.lost)
        self._outbox = outbox
        self._outgoing = outgoing
        self._is_replacement = is_replacement

    async def count_lost(self) -> bool:
        self._outgoing = await self._outbox.count_lost(self._outgoing)
        return min(self.in_a_row, self._outgoing.lost) >= LOST_CONNECTIONS and not self._is_replacement

    async def replace(self, why: str) -> Sequence[Parcel] | None:
        if self._is_replacement:
            # Never replaced again and again by the same; another version of this module may know better.
            log.error("message %s cannot be sent and stays in the journal: %s", self.message.message_id, why)
            return ()
        return await self._outbox.replace(self._outgoing, why)
