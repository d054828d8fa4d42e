"""Inbox and outbox on disk.

One SQLite file in WAL mode holds the inbox (taken, not processed), the outbox (answers, not acknowledged by edgeHub)
and what a module remembers, so that one transaction can move a message from the first to the others. A process that
is killed at any moment finds itself, on its next start, either before or after that transaction.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from modules.edge.hub.message import InputMessage, OutputMessage, with_arrival
from modules.edge.journal import layout
from modules.edge.journal.errors import Durability, JournalBrokenError, JournalError, is_damage
from modules.edge.journal.file import open_file
from modules.edge.journal.rows import DamagedRow, checked, checksum

log = logging.getLogger(__name__)

# What a row takes in the file beside its texts and bytes: record header, index, page overhead; measured, rounded up.
ROW_OVERHEAD = 200
# Enough for the answers to as much as is scored in one call.
RESERVE = 1_000_000
# Damaged rows that are kept for someone to look at.
MAX_ASIDE = 200
# Free pages that are given back in one step, and from how many on it is worth it.
VACUUM_PAGES = 1_000
# No message will ever have a place behind this one; a row that says so is damaged, and would end all counting.
LAST_PLACE = 2**53

# Properties are bounded, and take at most six times as much in JSON.
_MAX_BESIDE_BODY = 50_000

_INBOX_KINDS = (int, bytes, bytes, int)
_OUTBOX_KINDS = (int, bytes, bytes, bytes, bytes, bytes, bytes, bytes, int)
_ENTRY_COLUMNS = "seq, topic, body, checksum, attempts, progress, waits"
_COUNT_ENTRIES = "SELECT coalesce(sum(waits = 0), 0), coalesce(sum(waits <> 0), 0) FROM inbox"
_SIZES = {"inbox": "length(topic) + length(body)", "outbox": "length(body) + length(properties)"}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message in the inbox.

    Attributes:
        seq: Its place in the order of arrival.
        message: The message.
        attempts: How often its processing was begun alone and did not come to an end.
        size: What it takes in the journal, in bytes.
        progress: What was kept of it where a part of it has been settled.
        waits: It is not taken, but asked for.
    """

    seq: int
    message: InputMessage
    attempts: int
    size: int
    progress: str = ""
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message in the outbox.

    Attributes:
        seq: Its place.
        message: The message.
        size: What it takes in the journal, in bytes.
        lost: How many connections ended while it alone was on its way.
    """

    seq: int
    message: OutputMessage
    size: int
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one transaction changes.

    Attributes:
        done: Entries that go.
        progress: Entries that stay, with what is to be kept of them, and whether they wait to be asked for.
        answers: Messages for the outbox.
        write: Changes what the module remembers.
    """

    done: Sequence[Incoming] = ()
    progress: Sequence[tuple[Incoming, str, bool]] = ()
    answers: Sequence[OutputMessage] = ()
    write: Callable[[sqlite3.Connection], None] | None = None

    @property
    def growth(self) -> int:
        """By how many bytes inbox and outbox grow."""
        return sum(map(size_of, self.answers)) - sum(each.size for each in self.done)


class Journal:
    """Inbox and outbox in one file. All methods may be called from any thread."""

    def __init__(
        self, path: Path, limit: int, durability: Durability = Durability.PROCESS, own: layout.Own = layout.NOTHING
    ) -> None:
        """Open the journal, or make it; a broken file is set aside under another name and kept.

        Args:
            path: The file; its folder must exist and be writable.
            limit: How many bytes inbox and outbox may take together.
            durability: What a stored message survives.
            own: The tables of what the module remembers besides messages.

        Raises:
            JournalError: The file cannot be opened, made or written, or is not for this process.
        """
        self.limit = limit
        self.refused = 0
        """How many inputs were not taken since the start, for want of room or because of the disk."""
        self.trouble: str | None = None
        """What the disk said last; None while it takes what is written."""
        self.damaged = 0
        """How many damaged rows were put aside since the start."""
        self._path = path
        self._lock = threading.Lock()
        self._arrived = threading.Condition()
        file = open_file(path, durability, layout.Layout(own))
        self.set_aside = int(file.set_aside)
        """How many broken files this start found and kept."""
        self._folder_lock: int | None = file.lock
        self._connection = file.connection
        self.inbox_entries = self.waiting_entries = self.outbox_entries = 0
        self.inbox_bytes = self.outbox_bytes = 0
        self._next_input = self._next_output = 1
        self._damaged_rows: list[tuple[str, int, str]] = []
        try:
            self._put_impossible_places_aside()
            with self._reading():
                self._count()
                self._leftover = self._newest("inbox")
        except BaseException:
            self.close()
            raise
        self._next_input = self._leftover + 1
        self._next_output = self._newest("outbox") + 1

    @property
    def reserve(self) -> int:
        """Of the limit, what inputs leave to answers: more than the largest dead letter, or it could not empty."""
        return min(self.limit // 2, RESERVE)

    # The inbox

    def accept(self, topic: str, body: bytes) -> bool:
        """Store an input; False where there is no room, or the disk does not take it."""
        topic = with_arrival(topic, time.time())
        size = ROW_OVERHEAD + len(topic) + len(body)
        if self.bytes + size > self.limit or self.inbox_bytes + size > self.limit - self.reserve:
            self.refused += 1
            return False
        try:
            with self._transaction() as connection:
                seq = self._next_input
                connection.execute(
                    "INSERT INTO inbox (seq, checksum, topic, body) VALUES (?, ?, ?, ?)",
                    (seq, checksum(seq, topic, body), topic, body),
                )
                self._next_input += 1
                self.inbox_entries += 1
                self.inbox_bytes += size
        except JournalError as error:
            self.refused += 1
            log.debug("%s; a message stays with edgeHub", error)
            return False
        with self._arrived:
            self._arrived.notify()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until the inbox holds something to be taken; False if it did not."""
        with self._arrived:
            if not self.inbox_entries:
                self._arrived.wait(seconds)
        return bool(self.inbox_entries)

    def take(self, most: int, most_bytes: int | None = None, *, leftovers_alone: bool = True) -> list[Incoming]:
        """The oldest entries of the inbox, which stay there until they are settled.

        What an earlier process left behind comes one at a time, so that an entry that ends the process is known by
        its attempts; together where entries do no more than lie in a file.

        Args:
            most: How many at most.
            most_bytes: How many bytes they may have together; the first one may have more.
            leftovers_alone: Whether those that an earlier process left come one at a time.
        """
        with self._reading() as connection:
            rows = connection.execute(
                f"SELECT {_ENTRY_COLUMNS} FROM inbox WHERE waits = 0 ORDER BY seq LIMIT ?",  # noqa: S608 - our own names
                (most,),
            )
            entries: list[Incoming] = []
            left = most_bytes
            for *row, attempts, progress, waits in rows:
                try:
                    entries.append(_entry(row, attempts, progress, waits))
                except DamagedRow as damage:
                    self._damaged_rows.append(("inbox", row[0], str(damage)))
                    continue
                if left is not None:
                    left -= entries[-1].size
                    if left < 0 and len(entries) > 1:
                        entries.pop()
                        break
                if leftovers_alone and entries[0].seq <= self._leftover:
                    break
        if self._put_damaged_aside() and not entries:
            # A page of nothing but damage is not the end of the inbox.
            return self.take(most, most_bytes, leftovers_alone=leftovers_alone)
        return entries

    def entry(self, seq: int) -> Incoming | None:
        """An entry of the inbox, also one that waits to be asked for; None if it is not there, or damaged."""
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT {_ENTRY_COLUMNS} FROM inbox WHERE seq = ?",  # noqa: S608 - our own names
                (seq,),
            ).fetchone()
        if found is None:
            return None
        *row, attempts, progress, waits = found
        try:
            return _entry(row, attempts, progress, waits)
        except DamagedRow as damage:
            self._damaged_rows.append(("inbox", seq, str(damage)))
            self._put_damaged_aside()
            return None

    def waiting(self) -> list[int]:
        """The places of the entries that wait to be asked for."""
        with self._reading() as connection:
            return [seq for (seq,) in connection.execute("SELECT seq FROM inbox WHERE waits <> 0 ORDER BY seq")]

    def is_leftover(self, entry: Incoming) -> bool:
        """Whether an earlier process took the entry, and perhaps ended because of it."""
        return entry.seq <= self._leftover

    def begin(self, entry: Incoming) -> None:
        """Count an attempt before it is made.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            connection.execute("UPDATE inbox SET attempts = attempts + 1 WHERE seq = ?", (entry.seq,))

    # From one to the other

    def has_room(self, settlement: Settlement) -> bool:
        """Whether a settlement keeps the journal under its limit, or nothing could change that."""
        if not self.outbox_entries:
            return True
        # Far from the limit, as almost always, no message need be measured.
        answers = settlement.answers
        most = sum(len(each.body) for each in answers) + len(answers) * _MAX_BESIDE_BODY
        return self.bytes + most <= self.limit or self.bytes + settlement.growth <= self.limit

    def settle(self, settlement: Settlement, sent: Sequence[Outgoing] = ()) -> list[Outgoing]:
        """In one transaction: answers to the outbox, what the module remembers, entries and what was sent out.

        Args:
            settlement: What changes.
            sent: Messages that edgeHub has acknowledged since.

        Returns:
            What the outbox has gained.

        Raises:
            JournalError: The disk does not take it; nothing has changed.
        """
        with self._transaction() as connection:
            added = self._add(connection, settlement.answers)
            connection.executemany("DELETE FROM inbox WHERE seq = ?", [(each.seq,) for each in settlement.done])
            connection.executemany(
                "UPDATE inbox SET progress = ?, waits = ? WHERE seq = ?",
                [(progress, int(waits), entry.seq) for entry, progress, waits in settlement.progress],
            )
            if settlement.write is not None:
                settlement.write(connection)
            self._remove(connection, sent)
            self.inbox_bytes -= sum(each.size for each in settlement.done)
            self._count_entries(connection, settlement)
        return added

    # The outbox

    @property
    def bytes(self) -> int:
        """What inbox and outbox take."""
        return self.inbox_bytes + self.outbox_bytes

    @property
    def newest_outgoing(self) -> int:
        """The place of the newest message that the outbox ever had."""
        return self._next_output - 1

    def outgoing(self, after: int, most: int) -> list[Outgoing]:
        """The outbox's next messages behind the place `after`."""
        found = []
        with self._reading() as connection:
            for *row, lost in connection.execute(
                "SELECT seq, output, message_id, correlation_id, order_key, content_type, properties, body, checksum,"
                " lost FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, most),
            ):
                try:
                    found.append(_outgoing(row, lost))
                except DamagedRow as damage:
                    self._damaged_rows.append(("outbox", row[0], str(damage)))
        if self._put_damaged_aside() and not found:
            return self.outgoing(after, most)
        return found

    def sent(self, messages: Sequence[Outgoing]) -> None:
        """Take messages that edgeHub has acknowledged out of the outbox.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            self._remove(connection, messages)

    def count_lost(self, outgoing: Outgoing) -> Outgoing:
        """Count a connection that ended while this message alone was on its way.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            connection.execute("UPDATE outbox SET lost = lost + 1 WHERE seq = ?", (outgoing.seq,))
        return replace(outgoing, lost=outgoing.lost + 1)

    def replace(self, outgoing: Outgoing, messages: Sequence[OutputMessage]) -> list[Outgoing]:
        """Put messages in the place of one that cannot be sent, or put it aside where there are none.

        Returns:
            What the outbox has gained.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            if not messages:
                row = connection.execute("SELECT * FROM outbox WHERE seq = ?", (outgoing.seq,)).fetchone()
                connection.execute(*layout.put_aside("outbox", "edgeHub does not take it in any form", row))
            self._remove(connection, [outgoing])
            return self._add(connection, messages)

    # The file

    def memory(self) -> contextlib.AbstractContextManager[sqlite3.Connection]:
        """A transaction on what the module remembers.

        Raises:
            JournalError: The disk does not take it.
        """
        return self._transaction()

    def put_aside(self, table: str, where: str, key: Sequence[object], why: str) -> None:
        """Move damaged rows out of the way; they are kept, counted and told.

        Args:
            table: Where they stand.
            where: Which they are, as SQL has it.
            key: The values for that.
            why: What is wrong with them.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            rows = connection.execute(f"SELECT * FROM {table} WHERE {where}", key).fetchall()  # noqa: S608 - our own names
            for row in rows:
                connection.execute(*layout.put_aside(table, why, row))
            connection.execute(f"DELETE FROM {table} WHERE {where}", key)  # noqa: S608 - our own names
            connection.execute(f"DELETE FROM aside WHERE seq <= (SELECT max(seq) FROM aside) - {MAX_ASIDE}")  # noqa: S608
        self.damaged += len(rows)
        log.error("journal %s: a row of %s is damaged (%s); it is kept in the table aside", self._path, table, why)

    def tidy(self) -> None:
        """Where nothing else is to be done: give free pages back, and see whether a disk in trouble has recovered."""
        with contextlib.suppress(JournalError):
            if self.trouble is not None:
                with self._transaction() as connection:
                    connection.execute(f"PRAGMA user_version = {layout.VERSION}")
            with self._reading() as connection:
                if connection.execute("PRAGMA freelist_count").fetchone()[0] > VACUUM_PAGES:
                    # As a script: a statement is stepped once, and gives one page back.
                    connection.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._connection.close()
            if self._folder_lock is not None:
                os.close(self._folder_lock)
                self._folder_lock = None

    def _add(self, connection: sqlite3.Connection, messages: Sequence[OutputMessage]) -> list[Outgoing]:
        added = []
        for message in messages:
            seq = self._next_output
            properties = json.dumps(dict(message.properties))
            columns = (
                message.output,
                message.message_id,
                message.correlation_id,
                message.order,
                message.content_type,
                properties,
                message.body,
            )
            connection.execute(
                "INSERT INTO outbox (seq, checksum, output, message_id, correlation_id, order_key, content_type,"
                " properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (seq, checksum(seq, *columns), *columns),
            )
            self._next_output += 1
            added.append(Outgoing(seq, message, ROW_OVERHEAD + len(message.body) + len(properties)))
        self.outbox_entries += len(added)
        self.outbox_bytes += sum(each.size for each in added)
        return added

    def _remove(self, connection: sqlite3.Connection, messages: Sequence[Outgoing]) -> None:
        connection.executemany("DELETE FROM outbox WHERE seq = ?", [(each.seq,) for each in messages])
        self.outbox_entries -= len(messages)
        self.outbox_bytes -= sum(each.size for each in messages)

    def _count_entries(self, connection: sqlite3.Connection, settlement: Settlement) -> None:
        """Count what is to be taken, and what waits to be asked for."""
        if not settlement.progress and not self.waiting_entries:
            self.inbox_entries -= len(settlement.done)
            return
        self.inbox_entries, self.waiting_entries = connection.execute(_COUNT_ENTRIES).fetchone()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; counters are changed inside, so that they agree with the file."""
        with self._lock:
            before = {name: getattr(self, name) for name in _COUNTERS}
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as error:
                for name, value in before.items():
                    setattr(self, name, value)
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._in_trouble(error) from error
                raise
            if self.trouble is not None:
                log.info("journal %s takes what is written again", self._path)
                self.trouble = None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._in_trouble(error) from error

    def _in_trouble(self, error: sqlite3.Error) -> JournalError:
        if is_damage(error):
            return JournalBrokenError(f"journal {self._path} is broken: {error}")
        if self.trouble is None:
            log.error("journal %s cannot be written: %s; inputs stay with edgeHub until it can", self._path, error)
        self.trouble = f"journal {self._path} cannot be written: {error}"
        return JournalError(self.trouble)

    def _count(self) -> None:
        """Count what the tables hold."""
        count = self._connection.execute
        self.inbox_entries, self.waiting_entries = count(_COUNT_ENTRIES).fetchone()
        self.outbox_entries = count("SELECT count(*) FROM outbox").fetchone()[0]
        self.inbox_bytes, self.outbox_bytes = (
            int(count(f"SELECT coalesce(sum({size} + {ROW_OVERHEAD}), 0) FROM {table}").fetchone()[0])  # noqa: S608
            for table, size in _SIZES.items()
        )

    def _newest(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT coalesce(max(seq), 0) FROM {table}").fetchone()[0])  # noqa: S608

    def _put_impossible_places_aside(self) -> None:
        for table in _SIZES:
            query = f"SELECT seq FROM {table} WHERE seq NOT BETWEEN 1 AND {LAST_PLACE}"  # noqa: S608 - our own names
            with self._reading() as connection:
                for (seq,) in connection.execute(query):
                    self._damaged_rows.append((table, seq, "no message has such a place"))
        self._put_damaged_aside()

    def _put_damaged_aside(self) -> bool:
        """Put rows aside that were found damaged; whether there were any."""
        were_any = bool(self._damaged_rows)
        while self._damaged_rows:
            table, seq, why = self._damaged_rows.pop()
            self.put_aside(table, "seq = ?", (seq,), why)
            with self._reading():
                self._count()
        return were_any


_COUNTERS = (
    "inbox_entries",
    "waiting_entries",
    "outbox_entries",
    "inbox_bytes",
    "outbox_bytes",
    "_next_input",
    "_next_output",
)


def size_of(message: OutputMessage) -> int:
    """What a message takes in the outbox, in bytes."""
    return ROW_OVERHEAD + len(message.body) + len(json.dumps(dict(message.properties)))


def _entry(row: Sequence[object], attempts: object, progress: object, waits: object) -> Incoming:
    checked(row, _INBOX_KINDS)
    seq, topic, body, _ = cast("tuple[int, bytes, bytes, int]", tuple(row))
    name = topic.decode()
    return Incoming(
        seq,
        InputMessage.from_topic(name, body),
        attempts if isinstance(attempts, int) else 0,
        ROW_OVERHEAD + len(name) + len(body),
        progress.decode(errors="replace") if isinstance(progress, bytes) else "",
        waits != 0,
    )


def _outgoing(row: Sequence[object], lost: object) -> Outgoing:
    checked(row, _OUTBOX_KINDS)
    texts = [each.decode() for each in row[1:7] if isinstance(each, bytes)]
    output, message_id, correlation_id, order, content_type, properties = texts
    seq, body = cast("tuple[int, bytes]", (row[0], row[7]))
    message = OutputMessage(output, body, message_id, correlation_id, order, json.loads(properties), content_type)
    return Outgoing(seq, message, size_of(message), lost if isinstance(lost, int) else 0)
