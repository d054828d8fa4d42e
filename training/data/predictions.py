"""Anybody's predictions of a test set, from a CSV table."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.model.outputs import Outputs
from scoring.names import CYCLE, ENGINE
from training.data.dataset import Dataset
from training.data.task import CMAPSS
from training.errors import DataError

_RUL, _LOW, _HIGH, _MIDDLE, _CLASS = "PredictedRul", "RulLow", "RulHigh", "RulMiddle", "RulClass"


def load_predictions(path: Path, data: Dataset) -> tuple[Outputs, bool]:
    """Read predictions of each cycle of each engine, as `batch` writes them; more columns may stand there.

    PredictedRul is needed. Without RulMiddle it is the uncut median too, without RulClass its class is taken.

    Args:
        path: The table; engines are Client_001 or 1, in the set's order.
        data: The test set.

    Returns:
        The predictions in the set's order, and whether they have RulLow and RulHigh.

    Raises:
        DataError: The table cannot be read, or lacks a column, or a cycle, or has a cell that is no prediction.
    """
    found: dict[tuple[int, int], dict[str, str]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            columns = set(table.fieldnames or ())
            absent = [name for name in (ENGINE, CYCLE, _RUL) if name not in columns]
            if absent:
                raise DataError(f"{path} has no column {absent[0]}; it needs {ENGINE}, {CYCLE} and {_RUL}")
            for row in table:
                found[int(row[ENGINE].rpartition("_")[2]), int(float(row[CYCLE]))] = row
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} cannot be read as a table of predictions: {error}") from error
    keys = list(zip(data.trajectories.units.tolist(), data.trajectories.cycles.tolist(), strict=True))
    missing = [key for key in keys if key not in found]
    if missing:
        engine, cycle = missing[0]
        raise DataError(
            f"{path} says nothing of engine {engine}, cycle {cycle} of {data.name}, and of {len(missing):,} of "
            f"{len(keys):,} cycles in all; the benchmark needs each"
        )
    rows = [found[key] for key in keys]
    rul = _numbers(path, rows, _RUL)
    has_interval = {_LOW, _HIGH} <= columns
    low, high = (_numbers(path, rows, name) if has_interval else rul for name in (_LOW, _HIGH))
    middle = _numbers(path, rows, _MIDDLE) if _MIDDLE in columns else rul
    if _CLASS in columns:
        names = CMAPSS.classes.names
        odd = next((row[_CLASS] for row in rows if row[_CLASS] not in names), None)
        if odd is not None:
            raise DataError(f"{path} has the class {odd!r}, expected one of {', '.join(names)}")
        labels = np.array([names.index(row[_CLASS]) for row in rows])
    else:
        labels = CMAPSS.classes.of(rul)
    said = {
        "probabilities": np.eye(len(CMAPSS.classes.names), dtype=np.float32)[labels],
        "rul": np.stack([low, rul, high], axis=1).astype(np.float32),
        "middle": middle[:, np.newaxis].astype(np.float32),
    }
    return Outputs.of(len(rows), said), has_interval


def _numbers(path: Path, rows: list[dict[str, str]], name: str) -> NDArray[np.float64]:
    try:
        values = np.array([float(row[name]) for row in rows])
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}, column {name}: {error}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{path}, column {name}: expected finite numbers")
    return values
