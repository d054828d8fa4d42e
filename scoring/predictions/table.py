"""Predictions of a batch, kept in columns until somebody asks for one of them or for their records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry
from scoring.model.model import Model
from scoring.model.outputs import RUL_COLUMNS, Outputs
from scoring.model.signature import FloatArray, Signature
from scoring.names import CYCLE, ENGINE
from scoring.predictions.alert import is_alert
from scoring.predictions.prediction import LASTS, MODES, Prediction, label_key, moment_names, significant, weights_key
from scoring.telemetry.items import Item, SingleItem, size
from scoring.telemetry.trajectory import Trajectory

Answer = Prediction | InvalidTelemetry
JsonObject = dict[str, Any]

# Of several windows the values of one key; or of each name under it.
Column = Sequence[Any] | dict[str, Sequence[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What the model says of each window of a batch, or why there is nothing to be said.

    Attributes:
        model: The model that has been asked.
        engines: The engine of each window; "" where none is named.
        cycles: The newest cycle of each; 0 for a model that counts no cycles.
        refused: By number, the windows that could not be scored.
        absent: int32 [rows], how many of each window's values were not there.
        outputs: The model's outputs, a row for each window.
        labels: The most probable class of each; None for a model without classes.
        packed: float32 [rows, numbers of an answer], all that a prediction is made of.
        moments: For which it is said how likely an engine lasts longer, in cycles.
    """

    model: Model
    engines: Sequence[str]
    cycles: Sequence[int]
    refused: Mapping[int, InvalidTelemetry]
    absent: npt.NDArray[np.int32]
    outputs: Outputs
    labels: Sequence[str | None]
    packed: FloatArray
    moments: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.engines)

    def each(self, items: Iterable[SingleItem]) -> list[Answer]:
        """The answers to items, if these are what was scored, as they are worked with."""
        filled, lasts, names = self._filled(slice(None)), self._lasts(slice(None)).tolist(), moment_names(self.moments)
        return [
            self.refused.get(row) or self._prediction(row, item, filled[row], dict(zip(names, lasts[row], strict=True)))
            for row, item in enumerate(items)
        ]

    def records(self) -> list[JsonObject | InvalidTelemetry]:
        """The answers as the JSON objects that are sent, as `Prediction.record` makes them, all in one step."""
        columns: dict[str, Sequence[Any]] = {ENGINE: self.engines, CYCLE: self.cycles}
        for key, column in self._columns(slice(0, len(self))).items():
            columns[key] = _by_row(column) if isinstance(column, dict) else column
        columns["Model"] = [self.model.signature.name] * len(self)
        columns["ModelVersion"] = [self.model.version] * len(self)
        records: list[JsonObject | InvalidTelemetry] = []
        for values in zip(*columns.values(), strict=True):
            record = dict(zip(columns, values, strict=True))
            if not record[ENGINE]:
                del record[ENGINE]
            if not record[CYCLE]:
                del record[CYCLE]
            records.append(record)
        for row, invalid in self.refused.items():
            records[row] = invalid
        return records

    def answers(self, items: Sequence[Item]) -> list[JsonObject | InvalidTelemetry]:
        """The answers to items, if these are what was scored once they are unfolded: records, and tables."""
        kinds = set(map(type, items))
        records = self.records() if kinds != {Trajectory} else []
        if Trajectory not in kinds:
            return records
        answers: list[JsonObject | InvalidTelemetry] = []
        end = 0
        for item in items:
            start, end = end, end + size(item)
            answers.append(self.table(start, end) if isinstance(item, Trajectory) else records[start])
        return answers

    def table(self, start: int, end: int) -> JsonObject | InvalidTelemetry:
        """The answers to several windows of one engine as one JSON object: as a record, with lists in place of values.

        If one of them cannot be answered, none is.
        """
        refused = next((self.refused[row] for row in range(start, end) if row in self.refused), None)
        if refused:
            return refused
        rows = slice(start, end)
        engine = self.engines[start]
        table: JsonObject = {ENGINE: engine} if engine else {}
        if self.model.signature.cycle:
            table[CYCLE] = self.cycles[rows]
        table |= self._columns(rows)
        return table | {"Model": self.model.signature.name, "ModelVersion": self.model.version}

    def _filled(self, rows: slice) -> list[float]:
        """The share of each window's values that were there, 0 to 1."""
        signature = self.model.signature
        shares: list[float] = (1.0 - self.absent[rows] / (signature.window * len(signature.fields))).tolist()
        return shares

    def _lasts(self, rows: slice) -> FloatArray:
        """How likely engines last longer than each moment, float32 [rows, moments]."""
        curve, survival = self.model.signature.curve, self.outputs.survival[rows]
        if curve is None or not self.moments:
            return np.empty((len(survival), 0), dtype=np.float32)
        # What is no number is refused.
        with np.errstate(invalid="ignore"):
            return curve.lasts(survival, self.moments)

    def _columns(self, rows: slice) -> dict[str, Column]:
        """What is predicted, by key."""
        signature, outputs = self.model.signature, self.outputs
        columns: dict[str, Column] = {}
        if signature.interval:
            low, median, high = _rounded(outputs.rul[rows].T, 2)
            columns |= {"PredictedRul": median, "RulLow": low, "RulHigh": high}
        if signature.curve:
            (columns["RulMiddle"],) = _rounded(outputs.middle[rows].T, 2)
        if self.moments:
            columns[LASTS] = dict(zip(moment_names(self.moments), _rounded(self._lasts(rows).T, 6), strict=True))
        if signature.modes:
            shares = _rounded(outputs.modes[rows].T, 6)
            columns[MODES] = dict(zip(signature.modes, shares, strict=True))
        if signature.classes:
            columns[label_key(signature)] = self.labels[rows]
            shares = _rounded(outputs.probabilities[rows].T, 6)
            columns[weights_key(signature)] = dict(zip(signature.classes, shares, strict=True))
        if signature.values:
            values = outputs.values[rows].T.tolist()
            columns["PredictedValues"] = {
                name: list(map(significant, column)) for name, column in zip(signature.values, values, strict=True)
            }
        columns["WindowFilled"] = [round(share, 4) for share in self._filled(rows)]
        return columns

    def _prediction(self, row: int, item: SingleItem, filled: float, lasts: dict[str, float]) -> Prediction:
        signature, outputs = self.model.signature, self.outputs
        probabilities = dict(zip(signature.classes, outputs.probabilities[row].tolist(), strict=True))
        return Prediction(
            telemetry=item,
            signature=signature,
            version=self.model.version,
            filled=filled,
            probabilities=probabilities,
            rul=tuple(outputs.rul[row].tolist()),
            middle=float(outputs.middle[row, 0]) if signature.curve else None,
            lasts=lasts,
            modes=dict(zip(signature.modes, outputs.modes[row].tolist(), strict=True)),
            values=dict(zip(signature.values, outputs.values[row].tolist(), strict=True)),
            alert=is_alert(signature, probabilities),
        )


def packed_columns(signature: Signature) -> int:
    """How many numbers an answer has: the model's outputs, and how much of the window was absent."""
    curve = 1 + len(signature.curve.edges) if signature.curve else 0
    return (
        len(signature.classes)
        + (RUL_COLUMNS if signature.interval else 0)
        + len(signature.values)
        + curve
        + len(signature.modes)
        + 1
    )


def _by_row(columns: Mapping[str, Sequence[Any]]) -> list[JsonObject]:
    """Columns by name as an object for each row."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rounded(values: FloatArray, digits: int) -> list[list[float]]:
    """As `round` does it: the product of a float32 and a small power of ten has no error as a float64."""
    scale = 10.0**digits
    rounded: list[list[float]] = (np.rint(values.astype(np.float64) * scale) / scale).tolist()
    return rounded
