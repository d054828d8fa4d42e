"""The classifier: records in, predictions out, with each engine's history between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry
from scoring.model.model import Model
from scoring.model.signature import FloatArray
from scoring.predictions.table import Answer, Predictions, Record, packed_columns
from scoring.telemetry.history import DEFAULT_ENGINES, Change, History, StaleCycle
from scoring.telemetry.record import Reason, TelemetryParser
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window
from scoring.wire.requests import Asked, Item, batches, size

IntArray = npt.NDArray[np.int32]

# One call's windows take 5 kB each; beyond this a call gets no faster, only larger.
MAX_BATCH = 64
# Calls at once where much is read: one takes a core and longer than reading its rows, two keep up with what is read.
THREADS = 2


class Batch:
    """What is scored in one call of the model.

    Attributes:
        engines: The engine of each window; "" where none is named.
        cycles: The newest cycle of each window.
        refused: By number, the records that are too old to be taken in; their windows are NaN.
        changes: By number, what a record has changed in the histories, in order.
        repeats: By number, the records that came before: what was answered to them, or the number of the earlier one.
        replaced: The numbers of those with which a new life of their engine began.
    """

    def __init__(self, room: FloatArray) -> None:
        """Begin a batch.

        Args:
            room: float32 [rows, W, fields] for the windows that are to come.
        """
        self.engines: list[str] = []
        self.cycles: list[int] = []
        self.refused: dict[int, InvalidTelemetry] = {}
        self.changes: dict[int, tuple[Change, ...]] = {}
        self.repeats: dict[int, FloatArray | int] = {}
        self.replaced: set[int] = set()
        self._numbers: dict[tuple[str, int], int] = {}
        self._room = room

    @property
    def windows(self) -> FloatArray:
        """float32 [rows, W, fields], what the model is to see."""
        return self._room[: len(self.engines)]

    @property
    def absent(self) -> IntArray:
        """How many of each window's values are not there."""
        windows = self.windows
        # Half the time of `count_nonzero` over the same axes.
        counts: IntArray = np.isnan(windows).reshape(len(windows), -1).sum(axis=1, dtype=np.int32)
        return counts

    def add(self, items: Sequence[Item], history: History) -> None:
        """Take records in, in their order, and make the windows that the model is to see."""
        for item in items:
            row = len(self.engines)
            if isinstance(item, Trajectory):
                self._room[row : row + len(item)] = item.values
                self.engines += [item.engine] * len(item)
                self.cycles += item.cycles
                continue
            self.engines.append(item.engine)
            self.cycles.append(item.cycle)
            window = self._room[row]
            if isinstance(item, Window):
                item.fill(window)
                continue
            try:
                placed = history.insert(item, window)
            except StaleCycle as stale:
                self.refused[row] = stale
                self.changes[row] = stale.changes
                window.fill(np.nan)
                continue
            self.changes[row] = placed.changes
            if placed.replaces:
                self.replaced.add(row)
            earlier = self._numbers.setdefault((item.engine, item.cycle), row)
            if placed.answer is not None:
                self.repeats[row] = placed.answer
            elif placed.repeats and earlier != row:
                self.repeats[row] = earlier
            else:
                self._numbers[item.engine, item.cycle] = row

    def unanswered(self, row: int) -> InvalidTelemetry:
        """Why there is no prediction where the model's answer is no number."""
        return InvalidTelemetry(
            Reason.SCORING_FAILED,
            f"the model answers {self.engines[row]}, cycle {self.cycles[row]}, with no number",
        )

    def part(self, start: int, end: int) -> Batch:
        """Some rows that follow each other."""
        part = Batch(self._room[start:end])
        part.engines = self.engines[start:end]
        part.cycles = self.cycles[start:end]
        part.refused = {row - start: invalid for row, invalid in self.refused.items() if start <= row < end}
        return part

    def repeat(self, packed: FloatArray) -> None:
        """Put what was answered before in place of what the model says now.

        Args:
            packed: The answers as `Predictions.packed` has them.
        """
        for row, answer in self.repeats.items():
            packed[row] = packed[answer] if isinstance(answer, int) else answer


class Classifier:
    """One model with the histories of the engines that it watches.

    Attributes:
        model: The model that scores.
        history: What is remembered of each engine.
        parser: Parses messages for this model's fields.
    """

    def __init__(self, model: Model, engines: int = DEFAULT_ENGINES) -> None:
        signature = model.signature
        self.model = model
        answers = packed_columns(signature)
        self.history = History(signature.window, len(signature.fields), engines, answers, signature.cycle)
        self.parser = TelemetryParser(signature.field_names, signature.cycle)

    def score(self, items: Sequence[Asked]) -> list[Answer]:
        """Take records in, in their order, and answer each with a prediction or the reason why there is none.

        A window among them is scored as it is; the histories have no part in it.
        """
        answers: list[Answer] = []
        for start in range(0, len(items), MAX_BATCH):
            group = items[start : start + MAX_BATCH]
            answers += self._score(group).each(group)
        return answers

    def answer(self, items: Iterable[Item]) -> list[Record | InvalidTelemetry]:
        """The same of all kinds of items, as the JSON objects that are sent: a trajectory's is a table."""
        answers: list[Record | InvalidTelemetry] = []
        for group in batches(items, MAX_BATCH):
            answers += self._score(group).answers(group)
        return answers

    def batch(self, rows: int) -> Batch:
        """An empty batch with room for so many rows."""
        return Batch(self.room(rows))

    def room(self, rows: int) -> FloatArray:
        """Room for so many windows, float32 [rows, W, fields]."""
        return np.empty((rows, self.history.window, self.history.width), dtype=np.float32)

    def gather(self, items: Sequence[Item]) -> Batch:
        """Take records in, in their order, and make the windows that the model is to see."""
        batch = self.batch(sum(map(size, items)))
        batch.add(items, self.history)
        return batch

    def predict(self, batch: Batch) -> Predictions:
        """Ask the model; any thread may, since the histories have no part in it."""
        outputs = self.model.predict(batch.windows)
        absent = batch.absent
        packed = outputs.packed(absent)
        if batch.repeats:
            batch.repeat(packed)
            outputs, absent = outputs.unpacked(packed)
        finite = np.isfinite(packed)
        unanswered = {}
        if not finite.all():
            unanswered = {row: batch.unanswered(row) for row in np.flatnonzero(~finite.all(axis=1)).tolist()}
        refused = {**unanswered, **batch.refused}
        labels = outputs.labels(self.model.signature.classes)
        return Predictions(self.model, batch.engines, batch.cycles, refused, absent, outputs, labels, packed)

    def remember(self, batch: Batch, predictions: Predictions) -> None:
        """Remember what was answered to the records of a batch, so that the same reading gets the same answer."""
        for row in batch.changes:
            if row not in predictions.refused:
                self.history.remember(batch.engines[row], batch.cycles[row], predictions.packed[row])

    def _score(self, group: Sequence[Item]) -> Predictions:
        batch = self.gather(group)
        predictions = self.predict(batch)
        self.remember(batch, predictions)
        return predictions
