"""The journal's tables, by the version of their layout, and the way from each version to the next.

Whoever changes a table adds a version: a file that any earlier one wrote is read, and one of a later one is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from modules.edge.journal.rows import checksum

VERSION = 2

# What is written again and again, or looked for, stands before what may be long.
_TABLES_2 = {
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
    "layout": """CREATE TABLE layout (
    layout INTEGER PRIMARY KEY, fields TEXT NOT NULL, until REAL NOT NULL
)""",
    "engine": """CREATE TABLE engine (
    layout INTEGER NOT NULL, engine TEXT NOT NULL, source TEXT NOT NULL, run INTEGER NOT NULL,
    run_cycle INTEGER NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (layout, engine)
) WITHOUT ROWID""",
    "history": """CREATE TABLE history (
    layout INTEGER NOT NULL, engine TEXT NOT NULL, cycle INTEGER NOT NULL, seen INTEGER NOT NULL, row BLOB NOT NULL,
    version TEXT NOT NULL, answer BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (layout, engine, cycle)
) WITHOUT ROWID""",
    "held": """CREATE TABLE held (
    seq INTEGER NOT NULL, number INTEGER NOT NULL, since REAL NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (seq, number)
) WITHOUT ROWID""",
}
TABLES = {1: ("inbox", "outbox", "history", "fact"), 2: tuple(_TABLES_2)}
"""The names of each version's tables."""

Row = tuple[object, ...]
Statement = tuple[str, Row]


def create(connection: sqlite3.Connection) -> None:
    """Make the tables of the newest version in an empty file, within the caller's transaction."""
    for statement in _TABLES_2.values():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def check(connection: sqlite3.Connection, version: int) -> None:
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
    if found.keys() != set(TABLES.get(version, ())) or (version == VERSION and found != _TABLES_2):
        raise sqlite3.DatabaseError(f"its tables are not those of layout {version}")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a file of version 1 to the newest, within the caller's transaction."""
    for table in TABLES[1]:
        connection.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    create(connection)
    # Read row by row: a journal may be larger than the memory.
    old = {table: connection.execute(f"SELECT * FROM old_{table} ORDER BY 1") for table in TABLES[1]}  # noqa: S608
    for statement, row in upgraded(old):
        connection.execute(statement, row)
    for table in TABLES[1]:
        connection.execute(f"DROP TABLE old_{table}")


def upgraded(old: Mapping[str, Iterable[Row]]) -> Iterator[Statement]:
    """What version 1 held, as statements of the newest; a row that is not what was written goes aside."""
    fields = ""
    for name, value in old["fact"]:
        if name == b"layout" and isinstance(value, bytes):
            fields = value.decode(errors="replace")
    yield "INSERT INTO layout (layout, fields, until) VALUES (1, ?, 0)", (fields,)
    for table, convert in (("inbox", _inbox), ("outbox", _outbox), ("history", _history)):
        for row in old[table]:
            try:
                yield from convert(row)
            except (TypeError, ValueError) as error:
                yield put_aside(table, str(error), row)


def put_aside(origin: str, why: str, row: Row) -> Statement:
    """What keeps a damaged row, as far as it can be read."""
    content = json.dumps([each.hex() if isinstance(each, bytes) else each for each in row])
    return "INSERT INTO aside (origin, why, content) VALUES (?, ?, ?)", (origin, why, content)


def text_columns(connection: sqlite3.Connection, table: str) -> list[int]:
    """Which columns of a table hold texts."""
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return [number for number, _, kind, *_ in described if kind == b"TEXT"]


def _inbox(row: Row) -> list[Statement]:
    seq, topic, body, attempts = row
    statement = "INSERT OR IGNORE INTO inbox (seq, attempts, checksum, topic, body) VALUES (?, ?, ?, ?, ?)"
    name, content, place = _text(topic), _bytes(body), _int(seq)
    return [(statement, (place, _int(attempts), checksum(place, name, content), name, content))]


def _outbox(row: Row) -> list[Statement]:
    seq, output, body, message_id, correlation_id, order, properties, content_type = row
    if not isinstance(json.loads(_text(properties)), dict):
        raise TypeError("its properties are no object")
    texts = [_text(each) for each in (output, message_id, correlation_id, order, content_type, properties)]
    statement = (
        "INSERT OR IGNORE INTO outbox (seq, checksum, output, message_id, correlation_id, order_key, content_type,"
        " properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    return [(statement, (_int(seq), checksum(_int(seq), *texts, _bytes(body)), *texts, _bytes(body)))]


def _history(row: Row) -> list[Statement]:
    engine, cycle, seen, values = row
    known = (1, _text(engine), "", 0, 0)
    kept = (1, _text(engine), _int(cycle), _int(seen), _bytes(values), "", b"")
    return [
        (
            "INSERT OR IGNORE INTO engine (layout, engine, source, run, run_cycle, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            (*known, checksum(*known)),
        ),
        (
            "INSERT OR IGNORE INTO history (layout, engine, cycle, seen, row, version, answer, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*kept, checksum(*kept)),
        ),
    ]


def _text(value: object) -> str:
    """A text, as a connection that reads bytes gives it."""
    return _bytes(value).decode()


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"a column is {type(value).__name__}, text or bytes were written")
    return value


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a column is {type(value).__name__}, a whole number was written")
    return value
