"""Sends what stands in the journal's outbox, and remembers what edgeHub has acknowledged."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from modules.edge.journal import Journal, Outgoing
from modules.edge.message import OutputMessage
from modules.edge.sender import Sender

# What waits in memory at most; a backlog of hours is read from the disk page by page.
PAGE = 200


class Outbox:
    """Sends a journal's outbox in order. What was added last is sent from memory, a backlog from the disk."""

    def __init__(self, journal: Journal, send: Callable[[OutputMessage], Awaitable[None]]) -> None:
        """Prepare to send; to be called in the event loop.

        Args:
            journal: Whose outbox it is.
            send: Returns once a message is acknowledged.
        """
        self.sent = 0
        """How many messages edgeHub has acknowledged since the start."""
        self._journal = journal
        self._sender = Sender(send)
        self._loop = asyncio.get_running_loop()
        self._filled = asyncio.Event()
        self._ready: deque[Outgoing] = deque()
        # The place of the newest message in the journal, and whether all up to it went through memory.
        self._newest = journal.newest_outgoing
        self._in_memory = False
        # Filled by the event loop, emptied by the thread that writes the journal: a deque is safe between two.
        self._acknowledged: deque[Outgoing] = deque()

    def offer(self, added: Sequence[Outgoing]) -> None:
        """Say what the journal's outbox has gained; may be called from any thread."""
        if added:
            self._loop.call_soon_threadsafe(self._offer, added)

    def take_acknowledged(self) -> list[Outgoing]:
        """What was acknowledged since this was last asked, to be taken out of the journal."""
        return [self._acknowledged.popleft() for _ in range(len(self._acknowledged))]

    async def run(self) -> None:
        """Send until cancelled; then wait a moment for what is under way."""
        last = 0
        try:
            while True:
                while self._ready:
                    outgoing = self._ready.popleft()
                    await self._sender.submit(outgoing.message, self._acknowledgement(outgoing))
                    last = outgoing.seq
                if last < self._newest:
                    page = await asyncio.to_thread(self._journal.outgoing, last, PAGE)
                    self._ready.extend(page)
                    # Nothing behind the last one: the rest has left the journal since.
                    last = last if page else self._newest
                else:
                    self._in_memory = True
                    self._filled.clear()
                    await self._filled.wait()
        finally:
            await self._sender.close()

    def _offer(self, added: Sequence[Outgoing]) -> None:
        self._newest = added[-1].seq
        if self._in_memory and len(self._ready) < PAGE:
            self._ready.extend(added)
        else:
            self._in_memory = False
        self._filled.set()

    def _acknowledgement(self, outgoing: Outgoing) -> Callable[[], None]:
        def acknowledge() -> None:
            self.sent += 1
            self._acknowledged.append(outgoing)

        return acknowledge
