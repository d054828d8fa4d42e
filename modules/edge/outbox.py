"""Sends what stands in the journal's outbox, and takes it out once edgeHub has acknowledged it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from modules.edge.journal import Journal, JournalError, Outgoing
from modules.edge.message import OutputMessage
from modules.edge.sender import IN_FLIGHT, Sender

log = logging.getLogger(__name__)

# One page is read at a time, so that a backlog of hours takes no memory.
PAGE = 200


class Outbox:
    """Sends a journal's outbox in order; a message stays in it until `send` has returned."""

    def __init__(self, journal: Journal, send: Callable[[OutputMessage], Awaitable[None]]) -> None:
        self._journal = journal
        self._sender = Sender(send)
        self._filled = asyncio.Event()
        self._acknowledged: list[Outgoing] = []
        self.sent = 0
        """How many messages edgeHub has acknowledged since the start."""

    def notify(self) -> None:
        """Say that the outbox has gained messages; to be called in the event loop."""
        self._filled.set()

    async def run(self) -> None:
        """Send until cancelled."""
        last = 0
        try:
            while True:
                self._filled.clear()
                page = await asyncio.to_thread(self._journal.outgoing, last, PAGE)
                for outgoing in page:
                    await self._sender.submit(outgoing.message, self._acknowledge(outgoing))
                    last = outgoing.seq
                    if len(self._acknowledged) >= IN_FLIGHT:
                        await self._settle()
                if not page:
                    await self._wait()
        finally:
            await self._sender.close()
            await self._settle()

    def _acknowledge(self, outgoing: Outgoing) -> Callable[[], None]:
        def acknowledge() -> None:
            self.sent += 1
            self._acknowledged.append(outgoing)

        return acknowledge

    async def _wait(self) -> None:
        """Everything has been submitted: clear it as it is acknowledged, until there is more."""
        filled = asyncio.create_task(self._filled.wait())
        idle = asyncio.create_task(self._sender.idle())
        try:
            await asyncio.wait([filled, idle], return_when=asyncio.FIRST_COMPLETED)
            await self._settle()
            await filled
        finally:
            filled.cancel()
            idle.cancel()

    async def _settle(self) -> None:
        acknowledged, self._acknowledged = self._acknowledged, []
        if not acknowledged:
            return
        try:
            await asyncio.to_thread(self._journal.sent, acknowledged)
        except JournalError as error:
            # At worst they are sent again after a restart, under the same ids.
            log.error("%s; %d acknowledged messages stay in the outbox", error, len(acknowledged))
            self._acknowledged += acknowledged
