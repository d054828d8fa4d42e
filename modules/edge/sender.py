"""Sends several messages at once, but those of one engine one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from modules.edge.message import OutputMessage

log = logging.getLogger(__name__)

# The SDK gains up to half again by sends in flight together, and no more beyond some 20.
IN_FLIGHT = 20
# So that a few engines with much to say do not hold up the others: this many may wait behind one of their own engine.
SUBMITTED = 200
# What is under way at the end gets this long to be acknowledged; all else would be sent twice.
CLOSE_SECONDS = 2.0


class Sender:
    """At most `IN_FLIGHT` sends under way, at most one of them for each order key."""

    def __init__(self, send: Callable[[OutputMessage], Awaitable[None]]) -> None:
        self._send = send
        self._places = asyncio.Semaphore(SUBMITTED)
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._submitted: set[asyncio.Task[None]] = set()
        self._newest: dict[str, asyncio.Task[None]] = {}

    async def submit(self, message: OutputMessage, acknowledged: Callable[[], None]) -> None:
        """Take a message, as soon as there is a place for it, to send it when its turn has come.

        Args:
            message: The message; the one before it with the same order key is acknowledged first.
            acknowledged: Called once edgeHub has it, or it can never be sent.
        """
        await self._places.acquire()
        task = asyncio.create_task(self._send_after(self._newest.get(message.order), message, acknowledged))
        self._newest[message.order] = task
        self._submitted.add(task)
        task.add_done_callback(lambda done: self._end(message.order, done))

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._submitted:
            await asyncio.wait(self._submitted)

    async def close(self) -> None:
        """Give what is under way its time to be acknowledged, and then give it up."""
        try:
            await asyncio.wait_for(self.idle(), CLOSE_SECONDS)
        except TimeoutError:
            for task in self._submitted:
                task.cancel()

    async def _send_after(
        self, before: asyncio.Task[None] | None, message: OutputMessage, acknowledged: Callable[[], None]
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        async with self._slots:
            try:
                await self._send(message)
            except ValueError as error:
                # It would fail for ever, and hold up those behind it.
                log.error("message %s cannot be sent and is dropped: %s", message.message_id, error)
        acknowledged()

    def _end(self, order: str, task: asyncio.Task[None]) -> None:
        self._places.release()
        self._submitted.discard(task)
        if self._newest.get(order) is task:
            del self._newest[order]
