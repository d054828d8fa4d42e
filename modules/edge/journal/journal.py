"""The journal: what a module has taken from edgeHub and not yet answered, on disk.

One SQLite file in WAL mode holds the inbox (taken, not processed), the outbox (answers, not acknowledged by edgeHub)
and the histories of engines, so that one transaction can move a message from the first to the others. A process that
is killed at any moment finds itself, on its next start, either before or after that transaction.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from modules.edge.message import InputMessage, OutputMessage

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, output TEXT NOT NULL, body BLOB NOT NULL, message_id TEXT NOT NULL,
    correlation_id TEXT NOT NULL, order_key TEXT NOT NULL, properties TEXT NOT NULL, content_type TEXT NOT NULL
);
CREATE TABLE history (
    engine TEXT NOT NULL, cycle INTEGER NOT NULL, seen INTEGER NOT NULL, row BLOB NOT NULL, PRIMARY KEY (engine, cycle)
) WITHOUT ROWID;
CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

# The tables, each with its key.
_TABLES = {"inbox": "seq", "outbox": "seq", "history": "engine", "fact": "name"}

# What a row takes in the file beside its texts and bytes: record header, index, page overhead; measured, rounded up.
ROW_OVERHEAD = 200
# A write waits for no one but this process's other thread, so this is only for a file system that stalls.
BUSY_SECONDS = 10.0


class Durability(StrEnum):
    """What a stored message survives."""

    PROCESS = "process"
    """Any end of the process; a power cut may take the last moments."""
    POWER = "power"
    """A power cut too: every transaction is on the disk before it counts."""


class JournalError(Exception):
    """The journal cannot be opened or written; names the file and what the system said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A message in the inbox.

    Attributes:
        seq: Its place in the order of arrival.
        message: The message.
        attempts: How often its processing was begun alone and did not come to an end.
        size: What it takes in the journal, in bytes.
    """

    seq: int
    message: InputMessage
    attempts: int
    size: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message in the outbox, at its place `seq`, with the bytes that it takes in the journal."""

    seq: int
    message: OutputMessage
    size: int


@dataclass(frozen=True, slots=True)
class HistoryChanges:
    """What processing changed in the histories.

    Attributes:
        rows: Engine, cycle and row of each cycle that came; an earlier row of the same cycle goes.
        spans: Engine, first and last cycle that its history now holds; what lies outside goes.
        forgotten: Engines whose whole history goes.
    """

    rows: Sequence[tuple[str, int, bytes]] = ()
    spans: Sequence[tuple[str, int, int]] = ()
    forgotten: Sequence[str] = ()


class Journal:
    """Inbox, outbox and histories in one file. All methods may be called from any thread."""

    def __init__(self, path: Path, limit: int, durability: Durability = Durability.PROCESS) -> None:
        """Open the journal, or make it; a broken file is set aside under another name and kept.

        Args:
            path: The file; its folder must exist and be writable.
            limit: How many bytes inbox and outbox may take together before nothing more is taken.
            durability: What a stored message survives.

        Raises:
            JournalError: The file cannot be opened or made.
        """
        self.limit = limit
        self.set_aside = 0
        """How many broken files this start found and kept."""
        self._path = path
        self._lock = threading.Lock()
        self._arrived = threading.Condition()
        self._connection = self._open_or_set_aside(durability)
        self.inbox_entries, inbox = self._load("inbox", "length(topic) + length(body)")
        self.outbox_entries, outbox = self._load("outbox", "length(body) + length(properties)")
        self.bytes = inbox + outbox
        """What inbox and outbox take."""
        self._leftover = int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM inbox").fetchone()[0])

    def accept(self, topic: str, body: bytes) -> bool:
        """Store an input; False where there is no room, or the disk does not take it."""
        size = ROW_OVERHEAD + len(topic) + len(body)
        if self.bytes + size > self.limit:
            return False
        try:
            with self._transaction() as connection:
                connection.execute("INSERT INTO inbox (topic, body) VALUES (?, ?)", (topic, body))
                self.inbox_entries += 1
                self.bytes += size
        except JournalError as error:
            log.error("%s; the message stays with edgeHub", error)
            return False
        with self._arrived:
            self._arrived.notify()
        return True

    def wait(self, seconds: float) -> bool:
        """Wait until the inbox holds something; False if it stayed empty."""
        with self._arrived:
            if not self.inbox_entries:
                self._arrived.wait(seconds)
        return self.inbox_entries > 0

    def take(self, most: int) -> list[Entry]:
        """The oldest entries of the inbox, which stay there until `settle`.

        What an earlier process left behind comes one at a time, so that an entry that ends the process is known by
        its attempts.
        """
        with self._lock:
            rows = self._connection.execute(
                "SELECT seq, topic, body, attempts FROM inbox ORDER BY seq LIMIT ?", (most,)
            ).fetchall()
        if rows and rows[0][0] <= self._leftover:
            del rows[1:]
        return [
            Entry(seq, InputMessage.from_topic(topic, body), attempts, ROW_OVERHEAD + len(topic) + len(body))
            for seq, topic, body, attempts in rows
        ]

    def is_leftover(self, entry: Entry) -> bool:
        """Whether an earlier process took the entry, and perhaps ended because of it."""
        return entry.seq <= self._leftover

    def begin(self, entry: Entry) -> None:
        """Count an attempt before it is made.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            connection.execute("UPDATE inbox SET attempts = attempts + 1 WHERE seq = ?", (entry.seq,))

    def settle(
        self,
        entries: Sequence[Entry],
        answers: Sequence[OutputMessage],
        changes: HistoryChanges,
        sent: Sequence[Outgoing] = (),
    ) -> list[Outgoing]:
        """In one transaction: answers to the outbox, changes to the histories, entries and what was sent out.

        Returns:
            What the outbox has gained.

        Raises:
            JournalError: The disk does not take it; nothing has changed.
        """
        added = []
        with self._transaction() as connection:
            for answer in answers:
                row = _outbox_row(answer)
                place = connection.execute(
                    "INSERT INTO outbox (output, body, message_id, correlation_id, order_key, properties, content_type)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                ).lastrowid
                added.append(Outgoing(place or 0, answer, ROW_OVERHEAD + len(row[1]) + len(row[5])))
            connection.executemany("DELETE FROM inbox WHERE seq = ?", [(each.seq,) for each in entries])
            self._change_history(connection, entries, changes)
            self._remove(connection, sent)
            self.inbox_entries -= len(entries)
            self.outbox_entries += len(added)
            self.bytes += sum(each.size for each in added) - sum(each.size for each in entries)
        return added

    @property
    def newest_outgoing(self) -> int:
        """The place of the newest message that the outbox ever had."""
        with self._lock:
            row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return int(row[0]) if row else 0

    def outgoing(self, after: int, most: int) -> list[Outgoing]:
        """The outbox's next messages behind the place `after`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT seq, output, body, message_id, correlation_id, order_key, properties, content_type"
                " FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",
                (after, most),
            ).fetchall()
        return [
            Outgoing(
                seq,
                OutputMessage(output, body, message_id, correlation_id, order, json.loads(properties), content_type),
                ROW_OVERHEAD + len(body) + len(properties),
            )
            for seq, output, body, message_id, correlation_id, order, properties, content_type in rows
        ]

    def sent(self, messages: Sequence[Outgoing]) -> None:
        """Take messages that edgeHub has acknowledged out of the outbox.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            self._remove(connection, messages)

    def history(self, layout: str) -> list[tuple[str, int, bytes]]:
        """Engine, cycle and row of each kept cycle, in the order in which engines were last seen.

        Args:
            layout: What the rows hold, such as the names of the fields. Rows of another layout are dropped.

        Raises:
            JournalError: The disk does not take it.
        """
        with self._transaction() as connection:
            kept = connection.execute("SELECT value FROM fact WHERE name = 'layout'").fetchone()
            if kept != (layout,):
                connection.execute("DELETE FROM history")
                connection.execute("INSERT OR REPLACE INTO fact (name, value) VALUES ('layout', ?)", (layout,))
            return connection.execute(
                "SELECT engine, cycle, row FROM history JOIN"
                " (SELECT engine AS name, max(seen) AS last FROM history GROUP BY engine) ON engine = name"
                " ORDER BY last, engine, cycle"
            ).fetchall()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._connection.close()

    def _remove(self, connection: sqlite3.Connection, messages: Sequence[Outgoing]) -> None:
        connection.executemany("DELETE FROM outbox WHERE seq = ?", [(each.seq,) for each in messages])
        self.outbox_entries -= len(messages)
        self.bytes -= sum(each.size for each in messages)

    def _change_history(
        self, connection: sqlite3.Connection, entries: Sequence[Entry], changes: HistoryChanges
    ) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO history (engine, cycle, seen, row) VALUES (?, ?, ?, ?)",
            [(engine, cycle, entries[-1].seq, row) for engine, cycle, row in changes.rows],
        )
        connection.executemany("DELETE FROM history WHERE engine = ? AND cycle NOT BETWEEN ? AND ?", changes.spans)
        connection.executemany("DELETE FROM history WHERE engine = ?", [(each,) for each in changes.forgotten])

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; counters are changed inside, so that they agree with the file."""
        with self._lock:
            before = self.inbox_entries, self.outbox_entries, self.bytes
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                self.inbox_entries, self.outbox_entries, self.bytes = before
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise JournalError(f"journal {self._path} cannot be written: {error}") from error

    def _load(self, table: str, size: str) -> tuple[int, int]:
        """How many rows a table holds, and the bytes that they count for."""
        query = f"SELECT count(*), coalesce(sum({size} + {ROW_OVERHEAD}), 0) FROM {table}"  # noqa: S608 - our own names
        entries, taken = self._connection.execute(query).fetchone()
        return int(entries), int(taken)

    def _open_or_set_aside(self, durability: Durability) -> sqlite3.Connection:
        try:
            return _open(self._path, durability)
        except sqlite3.DatabaseError as error:
            # A full disk, a missing folder and a lock are no fault of the file.
            if isinstance(error, sqlite3.OperationalError):
                raise JournalError(f"journal {self._path} cannot be opened: {error}") from error
            aside = self._path.with_name(f"{self._path.name}.broken-{time.time_ns()}")
            log.error("journal %s is broken (%s); it is kept as %s", self._path, error, aside.name)
        self._path.rename(aside)
        # What was committed last may stand in the log beside the file only.
        with contextlib.suppress(FileNotFoundError):
            _beside(self._path, "-wal").rename(_beside(aside, "-wal"))
        _beside(self._path, "-shm").unlink(missing_ok=True)
        self.set_aside = 1
        try:
            connection = _open(self._path, durability)
            saved = _save_rows(aside, connection)
        except sqlite3.Error as error:
            raise JournalError(f"journal {self._path} cannot be made: {error}") from error
        log.error("a new journal was begun with what could still be read of the broken one: %s", saved)
        return connection


def _save_rows(broken: Path, connection: sqlite3.Connection) -> str:
    """Copy the rows of a broken file that can be read: from the front to the first fault, from the back to the last."""
    counts = []
    for table, key in _TABLES.items():
        for direction in ("ASC", "DESC"):
            with contextlib.closing(sqlite3.connect(broken)) as source, contextlib.suppress(sqlite3.DatabaseError):
                rows = source.execute(f"SELECT * FROM {table} ORDER BY {key} {direction}")  # noqa: S608 - our own names
                places = ", ".join("?" * len(rows.description))
                # Row by row: what comes before the fault is kept.
                for row in rows:
                    connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row)  # noqa: S608
        entries = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
        counts.append(f"{entries} of {table}")
    return ", ".join(counts)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _open(path: Path, durability: Durability) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability is Durability.POWER else 'NORMAL'}")
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("quick_check finds it malformed")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
        elif found != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"its layout has version {found}, this module writes {SCHEMA_VERSION}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _outbox_row(message: OutputMessage) -> tuple[str, bytes, str, str, str, str, str]:
    return (
        message.output,
        message.body,
        message.message_id,
        message.correlation_id,
        message.order,
        json.dumps(dict(message.properties)),
        message.content_type,
    )
