"""Telemetry of any machine from a CSV table: a header, then one row for each cycle of each machine."""

from __future__ import annotations

import csv
import hashlib
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.wire.cmapss import Trajectories
from scoring.wire.csv_table import value_of
from training.data.dataset import Dataset
from training.data.endings import ENDED, FAILURE_MODE, Ending, ending_of
from training.data.labels import remaining_useful_life
from training.data.task import Task
from training.errors import DataError

AFTER_LAST = "RUL"
"""The column that says, for machines that have not failed yet, what was left after each row."""


def load_table(path: Path, task: Task) -> Dataset:
    """Read machines' telemetry: the columns that the task names, in any order; an empty cell is a missing value.

    A machine's rows stand together, in order of its cycles, which may have gaps. A column RUL says what was left after
    each row; a column Ended says on each machine's last row how it ended.

    Raises:
        DataError: The file cannot be read, lacks a column, or a row is not as it should be.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; give another file by --data and --subset") from error
    rows = csv.reader(text.splitlines())
    header = next(rows, [])
    absent = [name for name in (task.machine, *task.field_names) if name not in header]
    if absent:
        raise DataError(f"{path}, line 1: expected a column {absent[0]!r}, found {', '.join(header) or 'nothing'}")
    twice = [
        name for name in (task.machine, *task.field_names, AFTER_LAST, ENDED, FAILURE_MODE) if header.count(name) > 1
    ]
    if twice:
        raise DataError(f"{path}, line 1: the column {twice[0]!r} stands there twice; leave one of them")
    columns = [header.index(name) for name in task.field_names]
    machine, left = header.index(task.machine), header.index(AFTER_LAST) if AFTER_LAST in header else None
    ended = header.index(ENDED) if ENDED in header else None
    mode = header.index(FAILURE_MODE) if FAILURE_MODE in header else None
    told: list[str] = []
    modes: list[str] = []
    names: list[str] = []
    values: list[list[float]] = []
    rul: list[float] = []
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: expected {len(header)} columns, found {len(row)}")
        cells = [row[column] for column in [*columns, *([] if left is None else [left])]]
        try:
            numbers = [_number(cell) for cell in cells]
        except ValueError as error:
            raise DataError(f"{path}, line {line}: expected finite numbers, found {error}") from error
        names.append(row[machine])
        told.append("" if ended is None else row[ended])
        modes.append("" if mode is None else row[mode].strip())
        values.append(numbers[: len(columns)])
        rul.append(numbers[-1])
    if not names:
        raise DataError(f"{path}: expected rows of telemetry, found none")
    trajectories = _trajectories(path, task, names, np.asarray(values))
    last = np.cumsum(trajectories.lengths) - 1
    after_last = None
    endings: tuple[Ending, ...] = ()
    if left is not None:
        after_last = np.asarray(rul)[last].astype(np.int64)
        # When each fails is known, as of one that has failed.
        endings = (Ending.FAILED,) * len(last)
    elif ended is not None:
        endings = tuple(ending_of(told[row], f"{path}, line {row + 2}") for row in last.tolist())
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Dataset(
        path.stem.split("_", maxsplit=1)[-1],
        trajectories,
        remaining_useful_life(trajectories, after_last),
        sha256,
        task,
        tuple(names[row] for row in last),
        endings,
        () if mode is None else tuple(modes[row] for row in last.tolist()),
    )


def _number(cell: str) -> float:
    """A cell's number, NaN where it is empty, by the rules of scoring.

    Raises:
        ValueError: It is none; names the cell.
    """
    value = value_of(cell.strip())
    if value is None:
        return np.nan
    if not isinstance(value, float) or not np.isfinite(value):
        raise ValueError(repr(cell))
    return value


def _trajectories(path: Path, task: Task, names: list[str], values: NDArray[np.float64]) -> Trajectories:
    new = np.array([True] + [name != before for before, name in pairwise(names)])
    starts = np.flatnonzero(new)
    if len({names[start] for start in starts}) != len(starts):
        raise DataError(f"{path}: the rows of a machine do not stand together; sort them by {task.machine}")
    counted = values[:, task.cycle_column]
    odd = np.flatnonzero(~new[1:] & ~((np.diff(counted) >= 1) & (np.diff(counted) % 1 == 0)))
    if len(odd) or np.isnan(counted).any():
        line = int(odd[0]) + 3 if len(odd) else int(np.flatnonzero(np.isnan(counted))[0]) + 2
        raise DataError(
            f"{path}, line {line}: expected {task.cycle} to rise by whole numbers from row to row of a machine"
        )
    units = np.cumsum(new).astype(np.int64)
    return Trajectories(units, (counted - counted[starts[units - 1]] + 1).astype(np.int64), values)
