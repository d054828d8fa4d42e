"""SQLite with one writer thread, in which whatever waits shares one commit."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from simulator.private import keep_private

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Any]
Done = Callable[[Any, sqlite3.Error | None], None]
# More operations than this in one transaction would hold the first acknowledgement back for too long.
LARGEST_BATCH = 2_000
# What a value raises that SQLite cannot hold: half a pair of surrogates, a number of more than 64 bits.
UNSTORABLE = (UnicodeError, OverflowError)


class Database:
    """A database whose operations run in order, many to a commit; results come back to the event loop.

    Args:
        path: The file, made if missing.
        schema: Statements that make its tables (`CREATE TABLE IF NOT EXISTS ...`).
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._schema = schema
        self._waiting: list[tuple[Work, Done | None]] = []
        self._busy = False
        self._closed = asyncio.Event()
        self._closed.set()
        self._thread: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Open the file; a store can be opened again after it was closed."""
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.path.stem)
        self._closed.clear()
        self._connection = await self._loop.run_in_executor(self._thread, self._connect)

    def _connect(self) -> sqlite3.Connection:
        # It has the keys of clients, and what they sent.
        keep_private(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        # A commit survives the death of this process; only a power cut could take the last ones, as with the
        # real hub's database.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(self._schema)
        return connection

    @property
    def is_open(self) -> bool:
        """Whether it takes operations; those submitted to a closed store are lost with what they belong to."""
        return not self._closed.is_set()

    def submit(self, work: Work, done: Done | None = None) -> None:
        """Run `work` in the writer thread, after all that came before; then call `done` with result or error."""
        if self._closed.is_set():
            return
        self._waiting.append((work, done))
        self._next()

    def write(self, statement: str, parameters: tuple[Any, ...] = (), done: Done | None = None) -> None:
        """Run one statement.

        Args:
            statement: SQL.
            parameters: Its values.
            done: Called when it is on disk.
        """
        self.submit(lambda connection: connection.execute(statement, parameters).rowcount, done)

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run `work` and return what it returns."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def done(result: Result, error: sqlite3.Error | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(work, done)
        return await future

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        if self._closed.is_set():
            return
        await self.run(lambda _connection: None)
        await self._end()

    async def drop(self) -> None:
        """Close the file without what waits, as a process that is killed would."""
        self._waiting.clear()
        if not self._closed.is_set():
            await self._end()

    async def _end(self) -> None:
        self._closed.set()
        thread, connection, loop = self._thread, self._connection, self._loop
        if thread is not None and connection is not None and loop is not None:
            await loop.run_in_executor(thread, connection.close)
            thread.shutdown()

    def _next(self) -> None:
        if self._busy or not self._waiting or self._loop is None or self._thread is None:
            return
        self._busy = True
        batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
        future = self._thread.submit(self._commit, [work for work, _ in batch])
        future.add_done_callback(partial(self._returned, self._loop, batch))

    def _returned(
        self, loop: asyncio.AbstractEventLoop, batch: list[tuple[Work, Done | None]], future: Future[list[Any]]
    ) -> None:
        loop.call_soon_threadsafe(self._finished, batch, future)

    def _finished(self, batch: list[tuple[Work, Done | None]], future: Future[list[Any]]) -> None:
        self._busy = False
        outcomes = future.result()
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            error = outcome if isinstance(outcome, sqlite3.Error) else None
            if done is not None:
                done(None if error else outcome, error)
            elif error is not None:
                log.error("%s: %s", self.path, error)
        self._next()

    def _commit(self, batch: list[Work]) -> list[Any]:
        try:
            return self._transaction(batch)
        except (sqlite3.Error, *UNSTORABLE):
            # One of them cannot be done (a full disk takes deletions, but nothing new): each for itself.
            return [self._alone(work) for work in batch]

    def _alone(self, work: Work) -> Any:  # noqa: ANN401 - whatever the work returns
        try:
            return self._transaction([work])[0]
        except sqlite3.Error as error:
            return error
        except UNSTORABLE as error:
            return sqlite3.DataError(str(error))

    def _transaction(self, batch: list[Work]) -> list[Any]:
        connection = self._connection
        if connection is None:
            message = f"{self.path} is not open"
            raise sqlite3.ProgrammingError(message)
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = [work(connection) for work in batch]
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results
