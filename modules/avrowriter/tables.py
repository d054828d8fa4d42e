"""What avrowriter remembers, in the journal's file: how much of the growing file is settled."""

from __future__ import annotations

import sqlite3

from modules.avrowriter.archive import Settled
from modules.edge.journal.layout import Own
from modules.edge.journal.rows import DamagedRow, checked, checksum, read_text

TABLES = Own(
    {"growing": "CREATE TABLE growing (length INTEGER NOT NULL, name TEXT NOT NULL, checksum INTEGER NOT NULL)"},
    {1: ()},
    lambda _: iter(()),
)
"""One row, or none in a file that is new."""


def write(connection: sqlite3.Connection, settled: Settled) -> None:
    """Note what is settled, within the caller's transaction."""
    connection.execute("DELETE FROM growing")
    connection.execute(
        "INSERT INTO growing (length, name, checksum) VALUES (?, ?, ?)",
        (settled.length, settled.name, checksum(settled.length, settled.name)),
    )


def read(connection: sqlite3.Connection) -> Settled | None:
    """What is settled; None if nothing is known, or the row is damaged."""
    row = connection.execute("SELECT length, name, checksum FROM growing").fetchone()
    if row is None:
        return None
    try:
        checked(row, (int, bytes, int))
        return Settled(read_text(row[1]), row[0])
    except (DamagedRow, UnicodeDecodeError):
        return None
