"""The journal's tables, by the version of their layout, and the way from each version to the next.

Whoever changes a table adds a version: a file that any earlier one wrote is read, and one of a later one is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from modules.edge.journal.rows import checksum, read_bytes, read_integer, read_text

VERSION = 2

# What is written again and again, or looked for, stands before what may be long.
_TABLES = {
    "inbox": """CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY, waits INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    progress TEXT NOT NULL DEFAULT '', checksum INTEGER NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL
)""",
    "outbox": """CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY, lost INTEGER NOT NULL DEFAULT 0, checksum INTEGER NOT NULL, output TEXT NOT NULL,
    message_id TEXT NOT NULL, correlation_id TEXT NOT NULL, order_key TEXT NOT NULL, content_type TEXT NOT NULL,
    properties TEXT NOT NULL, body BLOB NOT NULL
)""",
    "aside": """CREATE TABLE aside (
    seq INTEGER PRIMARY KEY, origin TEXT NOT NULL, why TEXT NOT NULL, content TEXT NOT NULL
)""",
}
_OLD = {1: ("inbox", "outbox")}

Row = tuple[object, ...]
Statement = tuple[str, Row]


@dataclass(frozen=True)
class Own:
    """What a module remembers besides messages, in tables of its own.

    Attributes:
        tables: By name, the statement that makes each of them.
        old: By version before the newest, the names of those that it had then.
        upgraded: Makes of what these held, by name, statements of the newest version.
    """

    tables: Mapping[str, str]
    old: Mapping[int, tuple[str, ...]]
    upgraded: Callable[[Mapping[str, Iterable[Row]]], Iterator[Statement]]


NOTHING = Own({}, {1: ()}, lambda _: iter(()))
"""Of a module that remembers messages alone."""


class Layout:
    """The tables of messages, and those of a module's own."""

    def __init__(self, own: Own = NOTHING) -> None:
        self._own = own
        self._newest = {**_TABLES, **own.tables}

    def tables(self, version: int = VERSION) -> tuple[str, ...]:
        """The names of a version's tables; none of a version that never was."""
        if version == VERSION:
            return tuple(self._newest)
        return (*_OLD[version], *self._own.old[version]) if version in _OLD else ()

    def create(self, connection: sqlite3.Connection) -> None:
        """Make the tables of the newest version in an empty file, within the caller's transaction."""
        for statement in self._newest.values():
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")

    def check(self, connection: sqlite3.Connection, version: int) -> None:
        """Check that a file has the tables of a version, as that version made them.

        Raises:
            sqlite3.DatabaseError: It has not.
        """
        found = {
            name.decode(errors="replace"): sql.decode(errors="replace")
            for name, sql in connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        }
        if found.keys() != set(self.tables(version)) or (version == VERSION and found != self._newest):
            raise sqlite3.DatabaseError(f"its tables are not those of layout {version}")

    def migrate(self, connection: sqlite3.Connection) -> None:
        """Bring a file of version 1 to the newest, within the caller's transaction."""
        tables = self.tables(1)
        for table in tables:
            connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
        self.create(connection)
        # Read row by row: a journal may be larger than the memory.
        old = {table: connection.execute(f"SELECT * FROM old_{table} ORDER BY 1") for table in tables}  # noqa: S608
        for statement, row in self.upgraded(old):
            connection.execute(statement, row)
        for table in tables:
            connection.execute(f"DROP TABLE old_{table}")

    def upgraded(self, old: Mapping[str, Iterable[Row]]) -> Iterator[Statement]:
        """What version 1 held, as statements of the newest; a row that is not what was written goes aside."""
        yield from converted("inbox", old["inbox"], _inbox)
        yield from converted("outbox", old["outbox"], _outbox)
        yield from self._own.upgraded(old)


def converted(table: str, rows: Iterable[Row], convert: Callable[[Row], Iterable[Statement]]) -> Iterator[Statement]:
    """The rows of an old table as statements of the newest version; one that `convert` cannot read goes aside.

    Args:
        table: Its name.
        rows: As they were read.
        convert: Makes statements of a row.
    """
    for row in rows:
        try:
            yield from convert(row)
        except (TypeError, ValueError) as error:
            yield put_aside(table, str(error), row)


def put_aside(origin: str, why: str, row: Row) -> Statement:
    """What keeps a damaged row, as far as it can be read.

    Args:
        origin: The table that it stood in.
        why: What is wrong with it.
        row: As it was read.
    """
    content = json.dumps([each.hex() if isinstance(each, bytes) else each for each in row])
    return "INSERT INTO aside (origin, why, content) VALUES (?, ?, ?)", (origin, why, content)


def text_columns(connection: sqlite3.Connection, table: str) -> list[int]:
    """Which columns of a table hold texts."""
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return [number for number, _, kind, *_ in described if kind == b"TEXT"]


def _inbox(row: Row) -> list[Statement]:
    seq, topic, body, attempts = row
    statement = "INSERT OR IGNORE INTO inbox (seq, attempts, checksum, topic, body) VALUES (?, ?, ?, ?, ?)"
    name, content, place = read_text(topic), read_bytes(body), read_integer(seq)
    return [(statement, (place, read_integer(attempts), checksum(place, name, content), name, content))]


def _outbox(row: Row) -> list[Statement]:
    seq, output, body, message_id, correlation_id, order, properties, content_type = row
    if not isinstance(json.loads(read_text(properties)), dict):
        raise TypeError("its properties are no object")
    texts = [read_text(each) for each in (output, message_id, correlation_id, order, content_type, properties)]
    statement = (
        "INSERT OR IGNORE INTO outbox (seq, checksum, output, message_id, correlation_id, order_key, content_type,"
        " properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    return [
        (
            statement,
            (read_integer(seq), checksum(read_integer(seq), *texts, read_bytes(body)), *texts, read_bytes(body)),
        )
    ]
