"""The tables of what rulclassifier remembers, in the journal's file, and the way to them from the first version."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from modules.edge.journal.layout import Own, Row, Statement, converted
from modules.edge.journal.rows import checksum, read_bytes, read_integer, read_text

_TABLES = {
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


def _upgraded(old: Mapping[str, Iterable[Row]]) -> Iterator[Statement]:
    fields = ""
    for name, value in old["fact"]:
        if name == b"layout" and isinstance(value, bytes):
            fields = value.decode(errors="replace")
    yield "INSERT INTO layout (layout, fields, until) VALUES (1, ?, 0)", (fields,)
    yield from converted("history", old["history"], _history)


def _history(row: Row) -> list[Statement]:
    engine, cycle, seen, values = row
    known = (1, read_text(engine), "", 0, 0)
    kept = (1, read_text(engine), read_integer(cycle), read_integer(seen), read_bytes(values), "", b"")
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


TABLES = Own(_TABLES, {1: ("history", "fact")}, _upgraded)
"""Layouts of a model's fields, engines, their histories, and the records that are held back."""
