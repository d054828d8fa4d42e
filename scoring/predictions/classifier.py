"""The classifier: records in, predictions out, with each engine's history between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.model.model import Model
from scoring.model.signature import FloatArray
from scoring.predictions.lasting import Lasting, moments
from scoring.predictions.table import Answer, JsonObject, Predictions, packed_columns
from scoring.telemetry.batch import Batch
from scoring.telemetry.history import DEFAULT_ENGINES, History
from scoring.telemetry.items import Item, SingleItem, batches, size
from scoring.wire.records import RecordParser

# One call's windows take 5 kB each; beyond this a call gets no faster, only larger.
MAX_BATCH = 64
# Calls at once where much is read: one takes a core and longer than reading its rows, two keep up with what is read.
THREADS = 2


class Classifier:
    """One model with the histories of the engines that it watches.

    Attributes:
        model: The model that scores.
        history: What is remembered of each engine.
        parser: Parses messages for this model's fields.
        moments: For which it is said how likely an engine lasts longer, in cycles.
    """

    def __init__(self, model: Model, engines: int = DEFAULT_ENGINES, asked: Lasting = ()) -> None:
        """Begin without any history.

        Args:
            model: The model that scores.
            engines: How many engines are remembered.
            asked: For which moments it is to be said how likely an engine lasts longer.

        Raises:
            ModelError: The model cannot say that.
        """
        signature = model.signature
        self.model = model
        answers = packed_columns(signature)
        self.history = History(signature.window, len(signature.fields), engines, answers, signature.cycle)
        self.parser = RecordParser(signature.field_names, signature.cycle, signature.derived)
        self.moments = moments(signature, asked)

    def score(self, items: Sequence[SingleItem]) -> list[Answer]:
        """Take records in, in their order, and answer each with a prediction or the reason why there is none.

        A window among them is scored as it is; the histories have no part in it.
        """
        answers: list[Answer] = []
        for start in range(0, len(items), MAX_BATCH):
            group = items[start : start + MAX_BATCH]
            answers += self._score(group).each(group)
        return answers

    def answer(self, items: Iterable[Item]) -> list[JsonObject | InvalidTelemetry]:
        """The same of all kinds of items, as the JSON objects that are sent: a trajectory's is a table."""
        answers: list[JsonObject | InvalidTelemetry] = []
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
        return Predictions(
            self.model, batch.engines, batch.cycles, refused, absent, outputs, labels, packed, self.moments
        )

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
