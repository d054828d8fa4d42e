"""The way from the edge hub's `$upstream` queue to the cloud."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from simulator.cloud.upstream import RefusedError, Upstream
from simulator.hub.queue import EndpointQueue, Item

log = logging.getLogger(__name__)

# The real hub sends batches of 10 for each of 10 groups of senders at once.
BATCH = 100
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 60.0


class Uplink:
    """Sends what waits for upstream, in order, until it is taken.

    Args:
        upstream: The cloud's end.
        now: The hub's idea of the time.
    """

    def __init__(self, upstream: Upstream, now: Callable[[], float]) -> None:
        self._upstream = upstream
        self._now = now
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ready(self) -> None:
        """There may be something to send."""
        self._ready.set()

    def start(self, queue: EndpointQueue) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._run(queue), name="upstream link")

    async def stop(self) -> None:
        """Stop; what has not been taken stays in the queue's store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self, queue: EndpointQueue) -> None:
        while True:
            await self._upstream.wait_online()
            batch: list[Item] = []
            while len(batch) < BATCH and (item := queue.take(self._now(), reread=not batch)):
                batch.append(item)
            if batch:
                await self._send(queue, batch)
                queue.remove(*batch)
            else:
                await self._ready.wait()
                self._ready.clear()

    async def _send(self, queue: EndpointQueue, batch: list[Item]) -> None:
        wait = SHORTEST_WAIT
        while True:
            await self._upstream.wait_online()
            now = self._now()
            for item in [item for item in batch if item.expires <= now]:
                batch.remove(item)
                queue.drop(item)
            try:
                await self._upstream.accept([item.message for item in batch])
            except (RefusedError, sqlite3.Error) as error:
                log.warning("upstream: %s; %d messages wait, next try in %g s", error, queue.length, wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
            else:
                return
