"""What waits for one endpoint: on disk all of it, in memory the first of it."""

from __future__ import annotations

import bisect
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.database import Database
from simulator.message import Message, from_header

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS queue (
    endpoint TEXT, priority INTEGER, seq INTEGER, expires REAL, received REAL, input TEXT, header TEXT, body BLOB,
    PRIMARY KEY (endpoint, priority, seq)
) WITHOUT ROWID;
"""
INSERT = "INSERT INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
DELETE = "DELETE FROM queue WHERE endpoint = ? AND priority = ? AND seq = ?"
# Enough to keep an endpoint busy while the next lot is read, and little enough for 200 endpoints at once.
WINDOW = 256
WINDOW_BYTES = 1_048_576


@dataclass(slots=True, order=True)
class Item:
    """A message for one endpoint; items are ordered as they are delivered."""

    priority: int
    seq: int
    expires: float = field(compare=False)
    input: str = field(compare=False)
    message: Message = field(compare=False)


class EndpointQueue:
    """The messages for one endpoint, in order of priority, then arrival.

    Args:
        store: Where they are kept.
        name: The endpoint: a client id, or `$upstream`.
        length: How many the store holds already.
        ready: Called when there may be something to take.
    """

    def __init__(self, store: Database, name: str, length: int, ready: Callable[[], None]) -> None:
        self._store = store
        self.name = name
        self.length = length
        self.expired = 0
        self._ready = ready
        self._window: list[Item] = []
        self._bytes = 0
        self._spilled = length > 0  # the store has more than the window
        self._taken: set[int] = set()  # what has been handed out and is not resolved yet, by seq
        self._reading = False

    def row(self, item: Item) -> tuple[object, ...]:
        """The parameters of INSERT for an item."""
        message = item.message
        return (
            self.name,
            item.priority,
            item.seq,
            item.expires,
            message.received,
            item.input,
            message.header(),
            message.body,
        )

    def add(self, item: Item) -> None:
        """Take note of an item that has been stored."""
        self.length += 1
        if not self._spilled or (self._window and item < self._window[-1]):
            bisect.insort(self._window, item)
            self._bytes += len(item.message.body)
            while len(self._window) > WINDOW or (self._bytes > WINDOW_BYTES and len(self._window) > 1):
                self._bytes -= len(self._window.pop().message.body)
                self._spilled = True
        self._ready()

    def take(self, now: float, *, reread: bool = True) -> Item | None:
        """The next item that has not expired, or None if there is none at hand.

        With `reread` it is then looked for in the store, and `ready` called when it has come; nothing that was taken
        may be unresolved then, for it would come again.
        """
        while self._window:
            item = self._window.pop(0)
            self._bytes -= len(item.message.body)
            self._taken.add(item.seq)
            if item.expires > now:
                return item
            self.drop(item)
        if reread and self._spilled and not self._reading:
            self._reading = True
            self._store.submit(self._read, self._have_read)
        return None

    def drop(self, item: Item) -> None:
        """Count and forget an item that was taken and has expired."""
        self.expired += 1
        log.warning("a message for %s expired after its time to live", self.name)
        self.remove(item)

    def remove(self, *items: Item) -> None:
        """Forget items that were taken: they are delivered, or expired."""
        self._taken.difference_update([item.seq for item in items])
        self.length -= len(items)
        keys = [(self.name, item.priority, item.seq) for item in items]
        self._store.submit(lambda db: db.executemany(DELETE, keys))

    def sweep(self, now: float) -> None:
        """Count and forget all that has expired and is not taken, whether somebody comes for it or not."""
        kept = ",".join(map(str, self._taken)) or "0"
        self._window = [item for item in self._window if item.expires > now]

        def done(count: int | None, error: sqlite3.Error | None) -> None:
            if error is not None or not count:
                return
            # A lot that was read meanwhile may hold some of them.
            self._window = [item for item in self._window if item.expires > now]
            self._bytes = sum(len(item.message.body) for item in self._window)
            self.expired += count
            self.length -= count
            log.warning("%d messages for %s expired after their time to live", count, self.name)

        statement = f"DELETE FROM queue WHERE endpoint = ? AND expires <= ? AND seq NOT IN ({kept})"  # noqa: S608 - numbers
        self._store.write(statement, (self.name, now), done)

    def _read(self, connection: sqlite3.Connection) -> tuple[list[Item], bool]:
        cursor = connection.execute(
            "SELECT priority, seq, expires, received, input, header, body FROM queue WHERE endpoint = ? "
            "ORDER BY priority, seq LIMIT ?",
            (self.name, WINDOW + 1),
        )
        items: list[Item] = []
        size = 0
        for priority, seq, expires, received, name, header, body in cursor:
            if len(items) == WINDOW or size > WINDOW_BYTES:
                return items, True
            items.append(Item(priority, seq, expires, name, from_header(header, body, received)))
            size += len(body)
        return items, False

    def _have_read(self, result: tuple[list[Item], bool] | None, error: sqlite3.Error | None) -> None:
        self._reading = False
        if result is None:
            raise RuntimeError(f"the queue of {self.name} in {self._store.path} cannot be read: {error}")
        self._window, self._spilled = result
        self._bytes = sum(len(item.message.body) for item in self._window)
        self._ready()
