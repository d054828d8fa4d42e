"""Predictions of a batch, kept in columns until somebody asks for one of them or for their records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry
from scoring.model import Model, Outputs
from scoring.prediction import Prediction, label_key, significant, weights_key
from scoring.signature import FloatArray
from scoring.telemetry import CYCLE, ENGINE, Reason, Telemetry
from scoring.window import Window

Answer = Prediction | InvalidTelemetry
Record = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Predictions(Sequence[Answer]):
    """What the model says of each item of a batch, or why there is nothing to be said.

    Attributes:
        model: The model that has been asked.
        items: What was scored, in its order.
        refused: By number, the items that could not be scored.
        filled: The share of each window's values that were there, 0 to 1.
        outputs: The model's outputs, a row for each item.
    """

    model: Model
    items: Sequence[Telemetry | Window]
    refused: Mapping[int, InvalidTelemetry]
    filled: Sequence[float]
    outputs: Outputs

    @classmethod
    def of(
        cls,
        model: Model,
        items: Sequence[Telemetry | Window],
        refused: Mapping[int, InvalidTelemetry],
        windows: FloatArray,
        outputs: Outputs,
    ) -> Predictions:
        """What the model says of windows [items, W, fields], once answers that are no numbers are refused too."""
        finite = outputs.finite
        if not finite.all():
            found = {
                row: InvalidTelemetry(
                    Reason.SCORING_FAILED,
                    f"the model answers {items[row].engine}, cycle {items[row].cycle}, with no number",
                )
                for row in np.flatnonzero(~finite).tolist()
            }
            refused = {**found, **refused}
        absent = np.count_nonzero(np.isnan(windows), axis=(1, 2))
        return cls(model, items, refused, (1.0 - absent / windows[0].size).tolist(), outputs)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Answer]:
        return (self[row] for row in range(len(self)))

    @overload
    def __getitem__(self, which: int) -> Answer: ...

    @overload
    def __getitem__(self, which: slice) -> list[Answer]: ...

    def __getitem__(self, which: int | slice) -> Answer | list[Answer]:
        """An answer, or several."""
        if isinstance(which, slice):
            return [self[row] for row in range(len(self))[which]]
        return self.refused.get(which) or self._prediction(which)

    def labels(self) -> list[str | None]:
        """The most probable class of each item; None for a model without classes."""
        classes = self.model.signature.classes
        if not classes:
            return [None] * len(self)
        return [classes[column] for column in self.outputs.probabilities.argmax(axis=1).tolist()]

    def records(self) -> list[Record | InvalidTelemetry]:
        """The answers as the JSON objects that are sent, as `Prediction.record` makes them, all in one step."""
        signature, items, outputs = self.model.signature, self.items, self.outputs
        columns: dict[str, Sequence[Any]] = {
            ENGINE: [item.engine for item in items],
            CYCLE: [item.cycle for item in items],
        }
        if signature.interval:
            low, median, high = _rounded(outputs.rul, 2).T.tolist()
            columns |= {"PredictedRul": median, "RulLow": low, "RulHigh": high}
        if signature.classes:
            shares = _rounded(outputs.probabilities, 6).tolist()
            columns[label_key(signature)] = self.labels()
            columns[weights_key(signature)] = [dict(zip(signature.classes, row, strict=True)) for row in shares]
        if signature.values:
            columns["PredictedValues"] = [significant(signature.values, row) for row in outputs.values.tolist()]
        columns["WindowFilled"] = [round(share, 4) for share in self.filled]
        columns["Model"] = [signature.name] * len(items)
        columns["ModelVersion"] = [self.model.version] * len(items)
        records: list[Record | InvalidTelemetry] = []
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

    def _prediction(self, row: int) -> Prediction:
        signature, outputs = self.model.signature, self.outputs
        probabilities = dict(zip(signature.classes, outputs.probabilities[row].tolist(), strict=True))
        alert = signature.alert
        return Prediction(
            telemetry=self.items[row],
            signature=signature,
            version=self.model.version,
            filled=self.filled[row],
            probabilities=probabilities,
            rul=tuple(outputs.rul[row].tolist()),
            values=dict(zip(signature.values, outputs.values[row].tolist(), strict=True)),
            alert=bool(alert) and probabilities[alert["class"]] >= float(alert.get("threshold", 1.0)),
        )


def _rounded(values: FloatArray, digits: int) -> npt.NDArray[np.float64]:
    """As `round` does it: the product of a float32 and a small power of ten has no error as a float64."""
    scale = 10.0**digits
    rounded: npt.NDArray[np.float64] = np.rint(values.astype(np.float64) * scale) / scale
    return rounded
