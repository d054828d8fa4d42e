"""Each engine's recent history: the last W cycles, which are all that the model looks at, and some before them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.signature import FloatArray
from scoring.names import CYCLE
from scoring.telemetry.record import Telemetry

# 18 kB an engine for C-MAPSS: 1,000 engines are 18 MB, and more than one gateway ever sees.
DEFAULT_ENGINES = 1_000
# Cycles that are remembered, at least: a leaf that sends its last hundred again is known by them.
REMEMBERED = 128
# An engine has room for a few more cycles than are remembered, so that its rows need not move for each that comes.
_SPARE = 0.25
# So many readings in a row from the past are no late ones: one or two may be, a clock that was set back is not.
NEW_LIFE = 8
# A sender that holds more than this share of all places loses its own engines to its new ones.
FAIR_SHARE = 1 / 20


class Kept(NamedTuple):
    """A cycle came: its row, instead of an earlier one of the same cycle; what is older than `oldest` goes.

    Attributes:
        engine: The engine's id.
        cycle: The cycle.
        values: float32 [fields].
        answer: What was answered to it, as `Predictions.packed` has it; None if that is not known yet.
        oldest: The first cycle that is still remembered.
    """

    engine: str
    cycle: int
    values: FloatArray
    answer: FloatArray | None
    oldest: int


class Known(NamedTuple):
    """What is known of an engine beside its rows.

    Attributes:
        engine: The engine's id.
        source: Who brought it, "" where that is not known.
        run: How many readings in a row came from the past, of which none was known.
        run_cycle: The last of them.
    """

    engine: str
    source: str
    run: int = 0
    run_cycle: int = 0


class Forgotten(NamedTuple):
    """All that was known of an engine goes: it had to make room, or another one has come under its id."""

    engine: str


Change = Kept | Known | Forgotten


class Placed(NamedTuple):
    """What became of a record that was taken in.

    Attributes:
        changes: What has changed in the history, in order.
        answer: What was answered to the same reading before; None if it is new, or the answer is not known.
        repeats: The same reading was there already.
        replaces: A new life of the engine began with it.
    """

    changes: tuple[Change, ...]
    answer: FloatArray | None = None
    repeats: bool = False
    replaces: bool = False


class StaleCycle(InvalidTelemetry):
    """A record that is too far behind its engine's newest.

    Attributes:
        changes: What has changed in the history all the same.
    """

    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class _Engine:
    """The row before `end` is the newest cycle; behind a row's values stands what was answered to it."""

    last: int
    end: int
    rows: FloatArray
    source: str
    run: int = 0
    run_cycle: int = 0


class History:
    """The last cycles of each engine, as rows in the order of cycles; an absent cycle is a row of NaN.

    So many are remembered that a record that is almost a window late finds its own window. Holds at most `engines`
    engines. At that bound a sender with more than its share gives up its own engine, the least recently seen; any
    other takes the place of the sender that holds most, so that nobody can drive out the engines of others.
    """

    def __init__(
        self, window: int, width: int, engines: int = DEFAULT_ENGINES, answers: int = 0, cycle: str = CYCLE
    ) -> None:
        """Begin with no engine.

        Args:
            window: How many cycles the model sees (W).
            width: Fields of a record.
            engines: How many engines are remembered.
            answers: How many numbers an answer has; 0: answers are not remembered.
            cycle: What the field that counts cycles is called.
        """
        self.window = window
        self.width = width
        self.capacity = engines
        self.remembered = max(2 * window - 1, REMEMBERED)
        self._room = self.remembered + 1 + int(window * _SPARE)
        self.answers = answers
        self._cycle = cycle
        self._share = max(1, int(engines * FAIR_SHARE))
        self._engines: OrderedDict[str, _Engine] = OrderedDict()
        self._of_source: dict[str, OrderedDict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._engines)

    def __iter__(self) -> Iterator[str]:
        """Engine ids, least recently seen first."""
        return iter(self._engines)

    def insert(self, telemetry: Telemetry, window: FloatArray) -> Placed:
        """Take a record in, and write the window that ends at its cycle into `window` [W, fields].

        A repeated cycle replaces the earlier record. A late one takes its place among the others; its window
        ends at it, so it is judged by what came before it. Cycle 1, W or more cycles behind, is a new engine
        under an old id: its history begins anew. So it does where `NEW_LIFE` readings in a row, each a cycle after
        the other, come from the past and contradict what is known of it.

        Raises:
            StaleCycle: The record is W or more cycles behind the engine's newest.
        """
        engine = self._engines.get(telemetry.engine)
        if engine is None:
            return self._begin(telemetry, window)
        late = engine.last - telemetry.cycle
        if late <= 0 or late < self.window:
            placed = self._place(engine, telemetry, window, late)
            if placed is not None:
                self._seen(telemetry.engine, engine)
                return placed
        return self._from_the_past(engine, telemetry, window, late)

    def remember(self, engine: str, cycle: int, answer: FloatArray) -> None:
        """Remember what was answered to a reading; it stays the answer if the same reading comes again.

        Args:
            engine: Whose reading it is.
            cycle: Its cycle.
            answer: float32 [numbers of an answer].
        """
        known = self._engines.get(engine)
        if known is not None and 0 <= known.last - cycle < self.remembered:
            known.rows[known.end - 1 - known.last + cycle, self.width :] = answer

    def restore(self, known: Known, cycles: npt.NDArray[np.int64], rows: FloatArray, answers: FloatArray) -> None:
        """Take in an engine that was kept elsewhere, as the one that was seen last.

        Args:
            known: What is known of it beside its rows.
            cycles: Its cycles, in order.
            rows: float32 [cycles, fields].
            answers: float32 [cycles, numbers of an answer], NaN where it is not known.
        """
        last = int(cycles[-1])
        engine = _Engine(last, self.remembered, self._no_rows(), known.source, known.run, known.run_cycle)
        places = self.remembered - 1 - last + cycles
        inside = places >= 0
        engine.rows[places[inside], : self.width] = rows[inside]
        engine.rows[places[inside], self.width :] = answers[inside]
        self._engines[known.engine] = engine
        self._of_source.setdefault(known.source, OrderedDict())[known.engine] = None
        if len(self._engines) > self.capacity:
            self._forget(self._victim(known.source))

    def clear(self) -> None:
        """Forget all engines."""
        self._engines.clear()
        self._of_source.clear()

    def newest(self, engine: str) -> int | None:
        """An engine's newest cycle; None where nothing is remembered of it."""
        known = self._engines.get(engine)
        return None if known is None else known.last

    def stale(self, telemetry: Telemetry, behind: int) -> StaleCycle:
        """The reason why a record that is so many cycles behind cannot be taken in."""
        return StaleCycle(
            Reason.STALE_CYCLE,
            f"{self._cycle} {telemetry.cycle} of {telemetry.engine} is {behind} behind its newest, "
            f"at most {self.window - 1} can be placed",
            self._cycle,
        )

    def _begin(self, telemetry: Telemetry, window: FloatArray, former: _Engine | None = None) -> Placed:
        """Begin the history of an engine, or a new one in place of a former engine's under the same id."""
        name, cycle = telemetry.engine, telemetry.cycle
        changes: list[Change] = []
        source = telemetry.source if former is None else former.source
        if former is not None:
            changes.append(Forgotten(name))
        elif len(self._engines) >= self.capacity:
            victim = self._victim(source)
            self._forget(victim)
            changes.append(Forgotten(victim))
        engine = self._engines[name] = _Engine(cycle, self.remembered, self._no_rows(), source)
        changes.append(Known(name, source))
        if former is not None:
            changes += self._kept_of_run(former, engine, name)
        engine.rows[engine.end - 1, : self.width] = telemetry.values
        window[:] = engine.rows[engine.end - self.window : engine.end, : self.width]
        self._seen(name, engine)
        changes.append(self._kept(engine, telemetry, None))
        return Placed(tuple(changes), replaces=former is not None)

    def _place(self, engine: _Engine, telemetry: Telemetry, window: FloatArray, late: int) -> Placed | None:
        """Put a record in its place, which is not too far behind; None if a new life begins with it."""
        changes: tuple[Change, ...] = ()
        repeats = False
        answer = None
        if late < 0:
            if engine.run:
                changes = (self._end_of_run(engine, telemetry.engine),)
            self._advance(engine, -late)
            engine.last = telemetry.cycle
            late = 0
        else:
            row = engine.rows[engine.end - 1 - late]
            repeats = row[: self.width].tobytes() == telemetry.values.tobytes()
            if repeats:
                known = row[self.width :]
                answer = None if np.isnan(known).any() or not len(known) else known.copy()
            else:
                contradicts = late > 0 and not np.isnan(row[: self.width]).all()
                if contradicts and self._runs_on(engine, telemetry.cycle) + 1 >= NEW_LIFE:
                    return None
                row[self.width :] = np.nan
            changes = self._counted_run(engine, telemetry, contradicts=not repeats and contradicts)
        end = engine.end - late
        engine.rows[end - 1, : self.width] = telemetry.values
        window[:] = engine.rows[end - self.window : end, : self.width]
        return Placed((*changes, self._kept(engine, telemetry, answer)), answer, repeats)

    def _from_the_past(self, engine: _Engine, telemetry: Telemetry, window: FloatArray, late: int) -> Placed:
        """A record that belongs to a new life of the engine, or to none."""
        place = engine.end - 1 - late
        repeats = late < self.remembered and (engine.rows[place, : self.width].tobytes() == telemetry.values.tobytes())
        begins = telemetry.cycle == 1 and late >= self.window
        if begins or (not repeats and self._runs_on(engine, telemetry.cycle) + 1 >= NEW_LIFE):
            if begins:
                engine.run = 0
            return self._begin(telemetry, window, engine)
        stale = self.stale(telemetry, late)
        stale.changes = self._counted_run(engine, telemetry, contradicts=not repeats)
        raise stale

    def _runs_on(self, engine: _Engine, cycle: int) -> int:
        """How many readings in a row there were up to the one before this cycle."""
        return engine.run if cycle == engine.run_cycle + 1 else 0

    def _counted_run(self, engine: _Engine, telemetry: Telemetry, *, contradicts: bool) -> tuple[Change, ...]:
        """Count a record that came from the past, or begin to count anew."""
        if not contradicts:
            return (self._end_of_run(engine, telemetry.engine),) if engine.run else ()
        engine.run = self._runs_on(engine, telemetry.cycle) + 1
        engine.run_cycle = telemetry.cycle
        return (Known(telemetry.engine, engine.source, engine.run, engine.run_cycle),)

    def _end_of_run(self, engine: _Engine, name: str) -> Known:
        engine.run = engine.run_cycle = 0
        return Known(name, engine.source)

    def _kept_of_run(self, former: _Engine, engine: _Engine, name: str) -> list[Change]:
        """Move those readings of a run that were placed among the former engine's rows to the new engine's."""
        kept: list[Change] = []
        for behind in range(min(former.run, NEW_LIFE - 1), 0, -1):
            cycle = engine.last - behind
            late = former.last - cycle
            if late < self.window:
                row = former.rows[former.end - 1 - late]
                engine.rows[engine.end - 1 - behind] = row
                answer = row[self.width :]
                kept.append(
                    Kept(
                        name,
                        cycle,
                        row[: self.width].copy(),
                        None if np.isnan(answer).any() else answer.copy(),
                        engine.last - self.remembered + 1,
                    )
                )
        return kept

    def _kept(self, engine: _Engine, telemetry: Telemetry, answer: FloatArray | None) -> Kept:
        oldest = engine.last - self.remembered + 1
        return Kept(telemetry.engine, telemetry.cycle, telemetry.values, answer, oldest)

    def _no_rows(self) -> FloatArray:
        return np.full((self._room, self.width + self.answers), np.nan, dtype=np.float32)

    def _seen(self, name: str, engine: _Engine) -> None:
        self._engines.move_to_end(name)
        mine = self._of_source.setdefault(engine.source, OrderedDict())
        mine[name] = None
        mine.move_to_end(name)

    def _victim(self, source: str) -> str:
        """Which engine makes room for a new one of a sender."""
        if len(self._of_source) == 1:
            return next(iter(self._engines))
        mine = self._of_source.get(source, OrderedDict())
        most = mine if len(mine) >= self._share else max(self._of_source.values(), key=len)
        return next(iter(most))

    def _forget(self, name: str) -> None:
        source = self._engines.pop(name).source
        mine = self._of_source[source]
        del mine[name]
        if not mine:
            del self._of_source[source]

    def _advance(self, engine: _Engine, cycles: int) -> None:
        """Move on by so many cycles, all of them absent."""
        rows = engine.rows
        if cycles >= self.remembered:
            rows.fill(np.nan)
            engine.end = self.remembered
            return
        if engine.end + cycles > len(rows):
            kept = self.remembered - cycles
            rows[:kept] = rows[engine.end - kept : engine.end]
            engine.end = kept
        engine.end += cycles
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
