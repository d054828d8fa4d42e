"""Sends several messages at once, but those of one engine one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from modules.edge.message import OutputMessage

log = logging.getLogger(__name__)

# The SDK gains up to half again by sends in flight together, and no more beyond some 20.
IN_FLIGHT = 20
# What is under way at the end gets this long to be acknowledged; all else would be sent twice.
CLOSE_SECONDS = 2.0


class Sender:
    """At most `IN_FLIGHT` sends under way, at most one of them for each order key."""

    def __init__(self, send: Callable[[OutputMessage], Awaitable[None]]) -> None:
        self._send = send
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def submit(self, message: OutputMessage, acknowledged: Callable[[], None]) -> None:
        """Begin to send a message, as soon as its turn has come.

        Args:
            message: The message; the one before it with the same order key is acknowledged first.
            acknowledged: Called once edgeHub has it, or it can never be sent.
        """
        before = self._under_way.get(message.order)
        if before is not None:
            await asyncio.wait([before])
        await self._slots.acquire()
        task = asyncio.create_task(self._send_one(message, acknowledged))
        self._under_way[message.order] = task
        task.add_done_callback(lambda done: self._end(message.order, done))

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def close(self) -> None:
        """Give what is under way its time to be acknowledged, and then give it up."""
        try:
            await asyncio.wait_for(self.idle(), CLOSE_SECONDS)
        except TimeoutError:
            for task in self._under_way.values():
                task.cancel()

    async def _send_one(self, message: OutputMessage, acknowledged: Callable[[], None]) -> None:
        try:
            await self._send(message)
        except ValueError as error:
            # It would fail for ever, and hold up those behind it.
            log.error("message %s cannot be sent and is dropped: %s", message.message_id, error)
        finally:
            self._slots.release()
        acknowledged()

    def _end(self, order: str, task: asyncio.Task[None]) -> None:
        if self._under_way.get(order) is task:
            del self._under_way[order]
