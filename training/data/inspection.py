"""What files of readings hold, what is wrong with them, and what task they would make."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from scoring.model.derived import Period, category_text
from scoring.names import CYCLE, ENGINE
from scoring.predictions.fields import FIELDS
from training.data.column import FEW, Column
from training.data.endings import ENDED, FAILURE_MODE
from training.errors import DataError

Row = dict[str, Any]

_ANSWERS = frozenset(FIELDS) - {ENGINE, CYCLE}
_MACHINES = re.compile(r"machine|engine|unit|device|asset|pump|compressor|turbine|serial|tag$|^id$|_id$", re.IGNORECASE)
NOTHING_SAID = "nothing said"
"""Of machines of which no row says how they ended."""
_TIMES = re.compile(r"time|date|^ts$|stamp", re.IGNORECASE)
_CYCLES = re.compile(r"cycle|^hour$|hours$|run|step|^age$", re.IGNORECASE)
# What people count by, in seconds.
_PERIODS = (1, 10, 60, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)
_SECONDS_OF_2001 = 1e9


@dataclass
class Inspection:
    """What was found.

    Attributes:
        name: What the task is called.
        columns: In their order.
        rows: How many rows were read.
        machine: The column that tells machines apart.
        time: The column that tells when a reading was made; "" where none does.
        cycle: The field that counts.
        every: How long a period is, in seconds; 0 where cycles are counted and no times told.
        origin: When the first one begins, in seconds since 1970.
        settings: The fields that tell the operating regime.
        fields: The other fields.
        lives: How many periods or cycles each machine was seen for.
        ended: How machines ended, by how many.
        wrong: What is wrong, a sentence each.
        left_out: Columns that are no fields, with the reason.
    """

    name: str
    columns: dict[str, Column]
    rows: int
    machine: str = ""
    time: str = ""
    cycle: str = ""
    every: float = 0.0
    origin: float = 0.0
    settings: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    lives: list[int] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def inspect(name: str, rows: Iterable[Row], machine: str = "", time: str = "") -> Inspection:
    """Look at rows.

    Args:
        name: What the task is to be called.
        rows: As `scoring.batch.rows` gives them.
        machine: The column that tells machines apart; "": by names and values.
        time: The column that tells when a reading was made; "": by names and values.

    Raises:
        DataError: There are no rows, or nothing tells machines apart, or nothing tells their order.
    """
    kept = list(rows)
    if not kept:
        raise DataError(f"{name}: expected readings, found none")
    columns: dict[str, Column] = {}
    for row in kept:
        for key, value in row.items():
            columns.setdefault(key, Column(key)).see(value)
    for asked in filter(None, (machine, time)):
        if asked not in columns:
            raise DataError(f"{name} has no column {asked!r}; it has {', '.join(columns)}")
    found = Inspection(name, columns, len(kept))
    found.machine = machine or _machine(found)
    found.time = time or _time(found)
    _sort_columns(found)
    by_machine: dict[str, list[Row]] = defaultdict(list)
    changes = 0
    before = None
    for row in kept:
        told = category_text(row.get(found.machine))
        changes += told != before
        before = told
        by_machine[told].append(row)
    for kind in (found.fields, found.settings):
        for each in list(kind):
            if all(len({row.get(each) for row in of_one} - {None}) <= 1 for of_one in by_machine.values()):
                kind.remove(each)
                found.left_out[each] = "each machine has one value for ever"
    _look_at_order(found, by_machine, mixed=changes > len(by_machine))
    return found


def _machine(found: Inspection) -> str:
    if ENGINE in found.columns:
        return ENGINE
    names = [
        each.name
        for each in found.columns.values()
        if each.present == found.rows
        and 1 < len(each.texts or each.values) <= max(FEW + 1, found.rows // 10)
        # Numbers with a fraction are measured.
        and (each.texts or all(value.is_integer() for value in each.values))
        and not each.times
    ]
    named = [name for name in names if _MACHINES.search(name)]
    texts = [name for name in names if found.columns[name].texts and name not in {ENDED, FAILURE_MODE}]
    if not named and not texts:
        raise DataError(
            f"{found.name}: no column seems to tell machines apart; name it by --machine, one of "
            f"{', '.join(found.columns)}"
        )
    return (named or texts)[0]


def _time(found: Inspection) -> str:
    for each in found.columns.values():
        as_numbers = each.is_of_numbers and each.low > _SECONDS_OF_2001 and _TIMES.search(each.name)
        if each.is_of_times or as_numbers:
            return each.name
    return ""


def _sort_columns(found: Inspection) -> None:
    """Which columns are fields, which settings, and which neither."""
    # An archive of a device has readings and predictions side by side.
    said = _ANSWERS if "ModelVersion" in found.columns else frozenset()
    for name, each in found.columns.items():
        if name in (found.machine, found.time, ENDED, FAILURE_MODE, "RUL"):
            continue
        if name in said:
            found.left_out[name] = "a model said it, from the others"
        elif not each.present:
            found.left_out[name] = "it is empty"
        elif each.is_of_numbers:
            _sort_numbers(found, each)
        elif 1 < len(each.texts) <= FEW:
            found.settings.append(name)
        else:
            found.left_out[name] = "always the same text" if len(each.texts) == 1 else "texts, too many for a category"
    if not found.time and not found.cycle:
        raise DataError(
            f"{found.name}: no column seems to tell the order of readings, neither a time nor a count; name one by "
            "--time"
        )


def _sort_numbers(found: Inspection, column: Column) -> None:
    name = column.name
    if column.low == column.high:
        found.left_out[name] = f"it is always {column.low:g}"
    elif not found.time and not found.cycle and _CYCLES.search(name) and float(column.low).is_integer():
        found.cycle = name
    elif len(column.values) <= FEW and found.rows > 20 * len(column.values):
        found.settings.append(name)
    else:
        found.fields.append(name)
    if column.texts:
        found.wrong.append(
            f"{name} has {column.texts.total():,} values that are no numbers, such as {column.example[:40]!r}"
        )


def _look_at_order(found: Inspection, by_machine: dict[str, list[Row]], *, mixed: bool) -> None:
    """In which order readings stand, how far apart they are, and which come twice."""
    if mixed:
        found.wrong.append("the rows of machines are mixed, which is no trouble: they are told apart")
    column = found.time or found.cycle
    by_number = Period(column, 1.0, 0.0, found.columns[column].ticks if found.time else 1.0)
    whens: dict[str, list[float]] = {}
    late = unreadable = 0
    for machine, rows in by_machine.items():
        told = []
        for row in rows:
            try:
                told.append(by_number.seconds(row.get(column)))
            except ValueError:
                unreadable += 1
        late += sum(second < first for first, second in pairwise(told))
        whens[machine] = sorted(told)
        ends = [category_text(row[ENDED]).lower() for row in rows if row.get(ENDED) not in (None, "")]
        found.ended[ends[-1] if ends else NOTHING_SAID] += 1
    if late:
        found.wrong.append(f"{late:,} rows stand behind later ones of the same machine: they are put in order")
    if unreadable:
        found.wrong.append(f"{unreadable:,} rows have no {column} that can be read: they are refused")
    steps = [after - before for told in whens.values() for before, after in pairwise(told)]
    usual = median([step for step in steps if step > 0] or [1.0])
    if found.time:
        found.every = float(next((each for each in _PERIODS if each >= usual * 0.99), _PERIODS[-1]))
        first = min(told[0] for told in whens.values() if told)
        found.origin = first - first % 86400.0
        taken = set(found.columns)
        found.cycle = next(name for name in ("Period", "Periods", f"Period of {found.time}") if name not in taken)
    every = found.every or 1.0
    cells = {name: [int((each - found.origin) // every) for each in told] for name, told in whens.items()}
    again = sum(len(told) - len(set(told)) for told in cells.values())
    if again:
        found.wrong.append(f"{again:,} rows come again for a {_unit_of(found)} that has one: the last one counts")
    gaps = [after - before - 1 for told in cells.values() for before, after in pairwise(told)]
    missing = [each for each in gaps if each > 0]
    if missing:
        found.wrong.append(
            f"{len(missing):,} gaps, the longest of {max(missing):,}, leave {sum(missing):,} of them without a reading"
        )
    found.lives = [told[-1] - told[0] + 1 for told in cells.values() if told]


def _unit_of(found: Inspection) -> str:
    return f"period of {found.every:g} s" if found.time else found.cycle
