"""What a journal promises and what can go wrong with it."""

from __future__ import annotations

import sqlite3
from enum import StrEnum


class Durability(StrEnum):
    """What a stored message survives."""

    PROCESS = "process"
    """Any end of the process; a power cut may take the last moments."""
    POWER = "power"
    """A power cut too: every transaction is on the disk before it counts."""


class JournalError(Exception):
    """The journal cannot be opened or written; names the file and what the system said."""


class JournalBrokenError(JournalError):
    """The file's content is damaged; the next start sets it aside and saves what can be read of it."""


# What SQLite says of a file whose content is not what it was: any of its tables may be missing, or half of a page.
_OF_CONTENT = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_SCHEMA,
}


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error is a fault of the file's content, and not of the disk, its rights or another process."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and (code is None or code & 0xFF in _OF_CONTENT)
