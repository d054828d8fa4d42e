"""Each engine's recent history: the last W cycles, which are all that the model looks at."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.signature import FloatArray
from scoring.telemetry import CYCLE, Reason, Telemetry

# 6 kB an engine for C-MAPSS: 1,000 engines are 6 MB, and more than one gateway ever sees.
DEFAULT_ENGINES = 1_000
# An engine has room for a few more cycles than its window, so that its rows need not move for each that comes.
_SPARE = 0.25


@dataclass(slots=True)
class _Engine:
    """The window that ends before row `end` is the engine's last W cycles."""

    last: int
    end: int
    rows: FloatArray


class History:
    """The last W cycles of each engine, as rows in the order of cycles; an absent cycle is a row of NaN.

    Holds at most `engines` engines; the least recently seen goes first.
    """

    def __init__(self, window: int, width: int, engines: int = DEFAULT_ENGINES) -> None:
        self.window = window
        self.width = width
        self.capacity = engines
        self._room = window + 1 + int(window * _SPARE)
        self._engines: OrderedDict[str, _Engine] = OrderedDict()
        self.evicted: list[str] = []
        """Engines that went since the caller last looked, so that it can forget them elsewhere too."""

    def __len__(self) -> int:
        return len(self._engines)

    def __iter__(self) -> Iterator[str]:
        """Engine ids, least recently seen first."""
        return iter(self._engines)

    def insert(self, telemetry: Telemetry, window: FloatArray) -> None:
        """Take a record in, and write the window that ends at its cycle into `window` [W, fields].

        A repeated cycle replaces the earlier record. A late one takes its place among the others; its window
        ends at it, so it is judged by what came before it. Cycle 1, W or more cycles behind, is a new engine
        under an old id: its history begins anew.

        Raises:
            InvalidTelemetry: The record is W or more cycles behind the engine's newest (reason `stale_cycle`).
        """
        engine = self._engine(telemetry)
        late = engine.last - telemetry.cycle
        if late < 0:
            self._advance(engine, -late)
            engine.last = telemetry.cycle
            late = 0
        end = engine.end - late
        engine.rows[end - 1] = telemetry.values
        if late:
            window[:late] = np.nan
        window[late:] = engine.rows[engine.end - self.window : end]

    def restore(self, rows: Iterable[tuple[str, int, bytes]]) -> None:
        """Take in what was kept elsewhere: engine, cycle and values as float32 bytes, each engine's in order."""
        unused = np.empty((self.window, self.width), dtype=np.float32)
        for engine, cycle, row in rows:
            self.insert(Telemetry(engine, cycle, np.frombuffer(row, dtype=np.float32)), unused)

    def newest(self, engine: str) -> int | None:
        """An engine's newest cycle; None where nothing is remembered of it."""
        known = self._engines.get(engine)
        return None if known is None else known.last

    def stale(self, telemetry: Telemetry, behind: int) -> InvalidTelemetry:
        """The reason why a record that is so many cycles behind cannot be taken in."""
        return InvalidTelemetry(
            Reason.STALE_CYCLE,
            f"cycle {telemetry.cycle} of {telemetry.engine} is {behind} behind its newest, "
            f"at most {self.window - 1} can be placed",
            CYCLE,
        )

    def _engine(self, telemetry: Telemetry) -> _Engine:
        engine = self._engines.get(telemetry.engine)
        behind = 0 if engine is None else engine.last - telemetry.cycle
        if behind >= self.window and telemetry.cycle != 1:
            raise self.stale(telemetry, behind)
        if engine is None or behind >= self.window:
            rows = np.full((self._room, self.width), np.nan, dtype=np.float32)
            engine = self._engines[telemetry.engine] = _Engine(telemetry.cycle, self.window, rows)
            if len(self._engines) > self.capacity:
                self.evicted.append(self._engines.popitem(last=False)[0])
        self._engines.move_to_end(telemetry.engine)
        return engine

    def _advance(self, engine: _Engine, cycles: int) -> None:
        """Move the window on by so many cycles, all of them absent."""
        rows = engine.rows
        if cycles >= self.window:
            rows.fill(np.nan)
            engine.end = self.window
            return
        if engine.end + cycles > len(rows):
            kept = self.window - cycles
            rows[:kept] = rows[engine.end - kept : engine.end]
            engine.end = kept
        engine.end += cycles
        # The newest of them is about to be written.
        if cycles > 1:
            rows[engine.end - cycles : engine.end] = np.nan


def refusals(history: History, records: Iterable[tuple[int, Telemetry]]) -> dict[int, InvalidTelemetry]:
    """By number, the records that a history would refuse if all were taken in, in this order; none is taken in here."""
    newest: dict[str, int] = {}
    refused: dict[int, InvalidTelemetry] = {}
    for number, record in records:
        engine, cycle = record.engine, record.cycle
        last = newest.get(engine) or history.newest(engine) or cycle
        if last - cycle < history.window:
            newest[engine] = max(last, cycle)
        elif cycle == 1:
            newest[engine] = 1
        else:
            refused[number] = history.stale(record, last - cycle)
    return refused
