"""The journal's file: locked, opened or made, brought to the newest layout, or set aside if it is damaged."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modules.edge.journal.errors import Durability, JournalError, is_damage
from modules.edge.journal.layout import VERSION, Layout, text_columns

log = logging.getLogger(__name__)

# A write waits for no one but this process's other thread, so this is only for a file system that stalls.
BUSY_SECONDS = 10.0
# The log beside the file is cut to this once it has been moved into the file; a burst may need more for a moment.
WAL_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open journal.

    Attributes:
        connection: To the file; texts are read as bytes, so that a damaged one can be read as well.
        lock: File descriptor of the folder, locked until the process ends or closes it.
        set_aside: Whether a damaged file was set aside.
    """

    connection: sqlite3.Connection
    lock: int
    set_aside: bool


_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


class _NewerError(Exception):
    pass


def open_file(path: Path, durability: Durability, layout: Layout) -> OpenFile:
    """Open a journal, or make it; a damaged file is set aside under another name, and what can be read of it saved.

    Args:
        path: The file.
        durability: What is written survives.
        layout: The tables that it has.

    Raises:
        JournalError: The file cannot be opened, made or written, another process uses it, or a newer version of this
            software wrote it.
    """
    lock = _lock(path)
    try:
        connection, set_aside = _opened(path, durability, layout)
    except BaseException:
        os.close(lock)
        raise
    return OpenFile(connection, lock, set_aside)


def _lock(path: Path) -> int:
    """Keep other processes out: two of them would answer each message twice, from different histories.

    The folder is locked, which leaves no file behind.
    """
    try:
        lock = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise JournalError(f"journal {path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise JournalError(
            f"journal {path} is in use by another process; give each module its own STATE_DIR"
        ) from error
    return lock


def _opened(path: Path, durability: Durability, layout: Layout) -> tuple[sqlite3.Connection, bool]:
    try:
        return _open(path, durability, layout), False
    except _NewerError as error:
        raise JournalError(
            f"journal {path} {error}, this one knows {VERSION}; it is left as it is: update this module, or "
            "move the file away to begin without it"
        ) from error
    except sqlite3.Error as error:
        if not is_damage(error):
            raise JournalError(
                f"journal {path} cannot be opened: {error}; the module's user has to be able to write it and its folder"
            ) from error
        aside = path.with_name(f"{path.name}.broken-{time.time_ns()}")
        log.error("journal %s is broken (%s); it is kept as %s", path, error, aside.name)
    try:
        path.rename(aside)
        # What was committed last may stand in the log beside the file only.
        with contextlib.suppress(FileNotFoundError):
            _beside(path, "-wal").rename(_beside(aside, "-wal"))
        _beside(path, "-shm").unlink(missing_ok=True)
        connection = _open(path, durability, layout)
        saved = _save_rows(aside, connection, layout)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be made: {error}") from error
    log.error("a new journal was begun with what could still be read of the broken one: %s", saved)
    return connection, True


def _refuse_newer(path: Path) -> None:
    """Look at a file by a connection of its own, before anything is set that would change it."""
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise _NewerError(f"was written in layout {version} by a newer version of this module")


def _open(path: Path, durability: Durability, layout: Layout) -> sqlite3.Connection:
    _refuse_newer(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = bytes
    try:
        # Only an empty file takes it, or one that is written anew; pages that are free again then leave the file.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durability is Durability.POWER else 'NORMAL'}")
        _check(connection)
        _bring_up_to_date(connection, layout)
    except UnicodeDecodeError as error:
        connection.close()
        # What SQLite says of a damaged table, it says with the table's damaged text.
        raise sqlite3.DatabaseError("the text of a table is damaged") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Find a file malformed whose pages do not hold together."""
    if connection.execute("PRAGMA quick_check").fetchone() != (b"ok",):
        raise sqlite3.DatabaseError("quick_check finds it malformed")


def _bring_up_to_date(connection: sqlite3.Connection, layout: Layout) -> None:
    """Make or migrate the tables, in one transaction that shows that the file can be written."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            layout.create(connection)
        else:
            layout.check(connection, version)
            if version < VERSION:
                layout.migrate(connection)
            else:
                _show_that_it_can_be_written(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    if 0 < version < VERSION:
        log.info("the journal was brought from layout %d to %d", version, VERSION)
        # For its pages to leave the file when they are free; where there is no room for that, they are used again.
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("VACUUM")


def _show_that_it_can_be_written(connection: sqlite3.Connection) -> None:
    """Write the version that is there already; a file that only others may write is opened without a complaint."""
    try:
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.OperationalError as error:
        # A disk may have room again a little later; who ended each time would be given up by edgeAgent.
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
            raise


def _save_rows(broken: Path, connection: sqlite3.Connection, layout: Layout) -> str:
    """Copy the rows of a broken file that can be read: from the front to the first fault, from the back to the last."""
    columns = _columns(broken, "outbox")
    connection.execute("BEGIN IMMEDIATE")
    if columns and "checksum" not in columns:
        for statement, row in layout.upgraded({table: _readable_rows(broken, table) for table in layout.tables(1)}):
            with contextlib.suppress(sqlite3.IntegrityError):
                connection.execute(statement, row)
    else:
        for table in layout.tables():
            texts = text_columns(connection, table)
            for row in _readable_rows(broken, table):
                # What does not fit into the table any more is no row of ours.
                with contextlib.suppress(sqlite3.IntegrityError, sqlite3.OperationalError, UnicodeDecodeError):
                    whole = [
                        each.decode() if n in texts and isinstance(each, bytes) else each for n, each in enumerate(row)
                    ]
                    places = ", ".join("?" * len(row))
                    connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", whole)  # noqa: S608
    connection.execute("COMMIT")
    counts = [
        f"{connection.execute(f'SELECT count(*) FROM {table}').fetchone()[0]} of {table}"  # noqa: S608 - our own names
        for table in layout.tables()
    ]
    return ", ".join(counts)


def _columns(broken: Path, table: str) -> list[str]:
    with contextlib.closing(_reading(broken)) as source, contextlib.suppress(*_UNREADABLE):
        return [each[0] for each in source.execute(f"SELECT * FROM {table} LIMIT 0").description]  # noqa: S608
    return []


def _readable_rows(broken: Path, table: str) -> Iterator[tuple[object, ...]]:
    for direction in ("ASC", "DESC"):
        with contextlib.closing(_reading(broken)) as source, contextlib.suppress(*_UNREADABLE):
            # Row by row: what comes before the fault is kept.
            yield from source.execute(f"SELECT * FROM {table} ORDER BY 1 {direction}")  # noqa: S608 - our own names


def _reading(broken: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(broken)
    connection.text_factory = bytes
    return connection


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
