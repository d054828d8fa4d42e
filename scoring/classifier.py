"""The classifier: records in, predictions out, with each engine's history between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.history import DEFAULT_ENGINES, History
from scoring.model import Model
from scoring.predictions import Answer, Predictions
from scoring.signature import FloatArray
from scoring.telemetry import Telemetry, TelemetryParser
from scoring.window import Window

# One call's windows take 5 kB each; beyond this a call gets no faster, only larger.
MAX_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What is scored in one call of the model.

    Attributes:
        items: Records and windows.
        windows: float32 [items, W, fields], what the model is to see of each.
        refused: By number, the records that are too old to be taken in; their windows are NaN.
    """

    items: Sequence[Telemetry | Window]
    windows: FloatArray
    refused: Mapping[int, InvalidTelemetry]

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """One batch of several, in their order."""
        if len(batches) == 1:
            return batches[0]
        starts = accumulate((len(each.items) for each in batches), initial=0)
        return cls(
            list(chain.from_iterable(each.items for each in batches)),
            np.concatenate([each.windows for each in batches]),
            {
                start + row: why
                for start, each in zip(starts, batches, strict=False)
                for row, why in each.refused.items()
            },
        )


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

    def score(self, items: Sequence[Telemetry | Window]) -> list[Answer]:
        """Take records in, in their order, and answer each with a prediction or the reason why there is none.

        A window among them is scored as it is; the histories have no part in it.
        """
        answers: list[Answer] = []
        for start in range(0, len(items), MAX_BATCH):
            answers += self.predict(self.gather(items[start : start + MAX_BATCH]))
        return answers

    def gather(self, items: Sequence[Telemetry | Window]) -> Batch:
        """Take records in, in their order, and make the windows that the model is to see."""
        history = self.history
        windows = np.empty((len(items), history.window, history.width), dtype=np.float32)
        refused: dict[int, InvalidTelemetry] = {}
        for row, (item, window) in enumerate(zip(items, windows, strict=True)):
            if isinstance(item, Window):
                item.fill(window)
                continue
            try:
                history.insert(item, window)
            except InvalidTelemetry as invalid:
                refused[row] = invalid
                window.fill(np.nan)
        return Batch(items, windows, refused)

    def predict(self, batch: Batch) -> Predictions:
        """Ask the model; any thread may, since the histories have no part in it."""
        outputs = self.model.predict(batch.windows)
        return Predictions.of(self.model, batch.items, batch.refused, batch.windows, outputs)
