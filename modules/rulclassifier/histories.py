"""What rulclassifier remembers over a restart, in the journal's file: histories, and which records are held back."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from modules.edge.journal import Journal
from modules.edge.journal.rows import DamagedRow, checked, checksum
from modules.rulclassifier.continuity import Ticket
from scoring.model.signature import FloatArray
from scoring.telemetry.history import Change, Forgotten, History, Kept, Known

log = logging.getLogger(__name__)

# A model of other fields leaves the histories of the one before: for who takes it back again within a week.
OTHERS_SECONDS = 7 * 24 * 3_600.0
MAX_LAYOUTS = 4
# A device without a battery for its clock begins in 1970; what it stamped then has no age.
_CLOCK_WAS_SET = 1_577_836_800.0

_ENGINE_KINDS = (int, bytes, bytes, int, int, int)
_HISTORY_KINDS = (int, bytes, int, int, bytes, bytes, bytes, int)


@dataclass(slots=True)
class _Rows:
    """An engine's rows as they are read."""

    seen: int = 0
    cycles: list[int] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)


class Histories:
    """The tables of histories and of records that are held back."""

    def __init__(self, journal: Journal, fields: str, version: str, history: History) -> None:
        """Find the rows of a model's fields; those of other fields are kept for a while.

        Args:
            journal: Whose file holds the tables.
            fields: What the rows hold, such as the names of the model's fields.
            version: The model's version: an answer of another one is not the answer of this one.
            history: Taken from here by `restore`.

        Raises:
            JournalError: The disk does not take it.
        """
        self._journal = journal
        self._version = version
        self._history = history
        self._layout = self._choose(fields)
        self._writes = 0
        self._unknown = np.full(history.answers, np.nan, dtype=np.float32).tobytes()

    def restore(self) -> None:
        """Fill the histories, in place of what they hold, in the order in which engines were last seen.

        Raises:
            JournalError: A damaged row cannot be put aside, or the file cannot be read.
        """
        history = self._history
        history.clear()
        known = self._known()
        found = self._rows()
        self._writes = max((each.seen for each in found.values()), default=0)
        for name, rows in sorted(found.items(), key=lambda each: each[1].seen):
            history.restore(
                known.get(name) or Known(name, ""),
                np.array(rows.cycles, dtype=np.int64),
                np.frombuffer(b"".join(rows.values), dtype=np.float32).reshape(-1, history.width),
                np.frombuffer(b"".join(rows.answers), dtype=np.float32).reshape(-1, history.answers),
            )
        log.info("restored the histories of %d engines", len(history))

    def write(self, connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
        """Apply changes of the histories, in order, within a transaction."""
        rows: dict[tuple[str, int], tuple[object, ...]] = {}
        known: dict[str, Known] = {}
        oldest: dict[str, int] = {}
        for change in changes:
            if isinstance(change, Kept):
                # By it engines are in the order in which they were last seen.
                self._writes += 1
                rows[change.engine, change.cycle] = self._row(change, self._writes)
                oldest[change.engine] = change.oldest
            elif isinstance(change, Known):
                known[change.engine] = change
            else:
                self._flush(connection, rows, known, oldest)
                self._forget(connection, change)
        self._flush(connection, rows, known, oldest)

    def held(self) -> list[tuple[int, int, float]]:
        """Message, number and time of each record that is held back.

        Raises:
            JournalError: The file cannot be read, or a damaged row not be put aside.
        """
        found = []
        damaged = []
        with self._journal.memory() as connection:
            for row in connection.execute("SELECT seq, number, since, checksum FROM held"):
                try:
                    checked((row[0], row[1], str(row[2]).encode(), row[3]), (int, int, bytes, int))
                except DamagedRow as damage:
                    damaged.append((row[:2], str(damage)))
                else:
                    found.append(row[:3])
        for key, why in damaged:
            self._journal.put_aside("held", "seq IS ? AND number IS ?", key, why)
        return found

    def write_held(
        self, connection: sqlite3.Connection, held: Iterable[Ticket], released: Iterable[tuple[int, int]]
    ) -> None:
        """Note which records are held back from now on, and the message and number of those that no longer are.

        Args:
            connection: Within a transaction.
            held: Records that are held back from now on.
            released: Message and number of each that no longer is.
        """
        connection.executemany(
            "INSERT OR REPLACE INTO held (seq, number, since, checksum) VALUES (?, ?, ?, ?)",
            [(each.seq, each.number, each.since, checksum(each.seq, each.number, str(each.since))) for each in held],
        )
        connection.executemany("DELETE FROM held WHERE seq = ? AND number = ?", released)

    def _choose(self, fields: str) -> int:
        now = time.time()
        with self._journal.memory() as connection:
            layouts = [
                (int(number), text, float(until))
                for number, text, until in connection.execute("SELECT layout, fields, until FROM layout")
            ]
            mine = next((number for number, text, _ in layouts if text == fields.encode()), None)
            if mine is None:
                mine = max((number for number, *_ in layouts), default=0) + 1
                connection.execute("INSERT INTO layout (layout, fields, until) VALUES (?, ?, 0)", (mine, fields))
            connection.execute("UPDATE layout SET until = 0 WHERE layout = ?", (mine,))
            others = []
            for number, _, until in layouts:
                if number == mine:
                    continue
                # In use until now, or stamped by a clock that was not set.
                left = until if _CLOCK_WAS_SET <= until <= now else now
                connection.execute("UPDATE layout SET until = ? WHERE layout = ?", (left, number))
                others.append((left, number))
            for place, (left, number) in enumerate(sorted(others, reverse=True), 2):
                self._keep_or_drop(connection, number, keep=place <= MAX_LAYOUTS and now - left < OTHERS_SECONDS)
        return mine

    def _keep_or_drop(self, connection: sqlite3.Connection, layout: int, *, keep: bool) -> None:
        engines = connection.execute("SELECT count(*) FROM engine WHERE layout = ?", (layout,)).fetchone()[0]
        if not keep:
            for table in ("history", "engine", "layout"):
                connection.execute(f"DELETE FROM {table} WHERE layout = ?", (layout,))  # noqa: S608 - our own names
        if engines:
            what = "are kept for a week, should that model come back" if keep else "are dropped"
            log.warning("the histories of %d engines have the fields of another model and %s", engines, what)

    def _known(self) -> dict[str, Known]:
        found = {}
        damaged = []
        with self._journal.memory() as connection:
            for row in connection.execute(
                "SELECT layout, engine, source, run, run_cycle, checksum FROM engine WHERE layout = ?", (self._layout,)
            ):
                try:
                    checked(row, _ENGINE_KINDS)
                except DamagedRow as damage:
                    damaged.append((row[:2], str(damage)))
                else:
                    name = row[1].decode()
                    found[name] = Known(name, row[2].decode(), row[3], row[4])
        self._put_aside("engine", "layout IS ? AND engine IS ?", damaged)
        return found

    def _rows(self) -> dict[str, _Rows]:
        found: dict[str, _Rows] = {}
        damaged = []
        width, version = self._history.width * 4, self._version.encode()
        with self._journal.memory() as connection:
            for row in connection.execute(
                "SELECT layout, engine, cycle, seen, row, version, answer, checksum FROM history WHERE layout = ?"
                " ORDER BY engine, cycle",
                (self._layout,),
            ):
                try:
                    checked(row, _HISTORY_KINDS)
                except DamagedRow as damage:
                    damaged.append((row[:3], str(damage)))
                    continue
                if len(row[4]) != width:
                    damaged.append((row[:3], f"it has {len(row[4])} bytes, {width} would be right"))
                    continue
                rows = found.setdefault(row[1].decode(), _Rows())
                rows.seen = max(rows.seen, row[3])
                rows.cycles.append(row[2])
                rows.values.append(row[4])
                rows.answers.append(
                    row[6] if row[5] == version and len(row[6]) == len(self._unknown) else self._unknown
                )
        self._put_aside("history", "layout IS ? AND engine IS ? AND cycle IS ?", damaged)
        return found

    def _put_aside(self, table: str, where: str, damaged: Sequence[tuple[Sequence[object], str]]) -> None:
        for key, why in damaged:
            # Read as bytes, but found as the text that it is; where it is no text any more, by its bytes.
            texts = [_as_text(each) if isinstance(each, bytes) else each for each in key]
            self._journal.put_aside(table, where, texts, why)

    def _row(self, change: Kept, seen: int) -> tuple[object, ...]:
        answered = change.answer is not None
        columns = (
            self._layout,
            change.engine,
            change.cycle,
            seen,
            change.values.tobytes(),
            self._version if answered else "",
            _bytes(change.answer),
        )
        return (*columns, checksum(*columns))

    def _flush(
        self,
        connection: sqlite3.Connection,
        rows: dict[tuple[str, int], tuple[object, ...]],
        known: dict[str, Known],
        oldest: dict[str, int],
    ) -> None:
        """Write what has been gathered, and begin to gather anew."""
        if known:
            states = [(self._layout, each.engine, each.source, each.run, each.run_cycle) for each in known.values()]
            connection.executemany(
                "INSERT OR REPLACE INTO engine (layout, engine, source, run, run_cycle, checksum)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(*each, checksum(*each)) for each in states],
            )
        connection.executemany(
            "INSERT OR REPLACE INTO history (layout, engine, cycle, seen, row, version, answer, checksum)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            rows.values(),
        )
        connection.executemany(
            "DELETE FROM history WHERE layout = ? AND engine = ? AND cycle < ?",
            [(self._layout, engine, cycle) for engine, cycle in oldest.items()],
        )
        for gathered in (rows, known, oldest):
            gathered.clear()

    def _forget(self, connection: sqlite3.Connection, forgotten: Forgotten) -> None:
        for table in ("history", "engine"):
            connection.execute(
                f"DELETE FROM {table} WHERE layout = ? AND engine = ?",  # noqa: S608 - our own names
                (self._layout, forgotten.engine),
            )


def _bytes(answer: FloatArray | None) -> bytes:
    return b"" if answer is None else answer.tobytes()


def _as_text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value
