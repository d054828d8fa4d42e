"""The classifier: records in, predictions out, with each engine's history between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.history import DEFAULT_ENGINES, History
from scoring.items import Asked, Item, batches, size
from scoring.model import Model
from scoring.predictions import Answer, Predictions, Record
from scoring.signature import FloatArray
from scoring.telemetry import TelemetryParser
from scoring.trajectory import Trajectory
from scoring.window import Window

# One call's windows take 5 kB each; beyond this a call gets no faster, only larger.
MAX_BATCH = 64
# Calls at once where much is read: one takes a core and longer than reading its rows, two keep up with what is read.
THREADS = 2


class Batch:
    """What is scored in one call of the model.

    Attributes:
        items: Records and windows; trajectories unfolded.
        refused: By number, the records that are too old to be taken in; their windows are NaN.
    """

    def __init__(self, room: FloatArray) -> None:
        """Begin a batch.

        Args:
            room: float32 [items, W, fields] for the windows that are to come.
        """
        self.items: list[Asked] = []
        self.refused: dict[int, InvalidTelemetry] = {}
        self._room = room

    @property
    def windows(self) -> FloatArray:
        """float32 [items, W, fields], what the model is to see of each."""
        return self._room[: len(self.items)]

    def add(self, items: Sequence[Item], history: History) -> None:
        """Take records in, in their order, and make the windows that the model is to see."""
        for item in items:
            row = len(self.items)
            if isinstance(item, Trajectory):
                self._room[row : row + len(item)] = item.values
                self.items += item.windows
                continue
            self.items.append(item)
            window = self._room[row]
            if isinstance(item, Window):
                item.fill(window)
                continue
            try:
                history.insert(item, window)
            except InvalidTelemetry as invalid:
                self.refused[row] = invalid
                window.fill(np.nan)

    def part(self, start: int, end: int) -> Batch:
        """Some items that follow each other."""
        part = Batch(self._room[start:end])
        part.items = self.items[start:end]
        part.refused = {row - start: invalid for row, invalid in self.refused.items() if start <= row < end}
        return part


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
        self.history = History(signature.window, len(signature.fields), engines)
        self.parser = TelemetryParser(signature.field_names, signature.cycle)

    def score(self, items: Sequence[Asked]) -> list[Answer]:
        """Take records in, in their order, and answer each with a prediction or the reason why there is none.

        A window among them is scored as it is; the histories have no part in it.
        """
        answers: list[Answer] = []
        for start in range(0, len(items), MAX_BATCH):
            answers += self.predict(self.gather(items[start : start + MAX_BATCH]))
        return answers

    def answer(self, items: Iterable[Item]) -> list[Record | InvalidTelemetry]:
        """The same of all kinds of items, as the JSON objects that are sent: a trajectory's is a table."""
        answers: list[Record | InvalidTelemetry] = []
        for group in batches(items, MAX_BATCH):
            answers += self.predict(self.gather(group)).answers(group)
        return answers

    def batch(self, rows: int) -> Batch:
        """An empty batch with room for so many items."""
        return Batch(np.empty((rows, self.history.window, self.history.width), dtype=np.float32))

    def gather(self, items: Sequence[Item]) -> Batch:
        """Take records in, in their order, and make the windows that the model is to see."""
        batch = self.batch(sum(map(size, items)))
        batch.add(items, self.history)
        return batch

    def predict(self, batch: Batch) -> Predictions:
        """Ask the model; any thread may, since the histories have no part in it."""
        windows = batch.windows
        return Predictions.of(self.model, batch.items, batch.refused, windows, self.model.predict(windows))
