"""The classifier: records in, predictions out, with each engine's history between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.history import DEFAULT_ENGINES, History
from scoring.model import Model
from scoring.prediction import Prediction
from scoring.telemetry import Reason, Telemetry, TelemetryParser
from scoring.window import Window

# One call's windows take 5 kB each; beyond this a call gets no faster, only larger.
MAX_BATCH = 64


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
        self._alert = signature.classes.index(signature.alert["class"]) if signature.alert else None
        self._threshold = float(signature.alert.get("threshold", 1.0))

    def score(self, items: Sequence[Telemetry | Window]) -> list[Prediction | InvalidTelemetry]:
        """Take records in, in their order, and answer each with a prediction or the reason why there is none.

        A window among them is scored as it is; the histories have no part in it.
        """
        answers: list[Prediction | InvalidTelemetry] = []
        for start in range(0, len(items), MAX_BATCH):
            answers += self._score_batch(items[start : start + MAX_BATCH])
        return answers

    def _score_batch(self, items: Sequence[Telemetry | Window]) -> list[Prediction | InvalidTelemetry]:
        history = self.history
        windows = np.empty((len(items), history.window, history.width), dtype=np.float32)
        refused: dict[int, InvalidTelemetry] = {}
        for index, item in enumerate(items):
            if isinstance(item, Window):
                item.fill(windows[index])
                continue
            try:
                history.insert(item, windows[index])
            except InvalidTelemetry as invalid:
                refused[index] = invalid
                windows[index] = np.nan
        outputs = self.model.predict(windows)
        filled = 1.0 - np.count_nonzero(np.isnan(windows), axis=(1, 2)) / windows[0].size
        rows = zip(
            items,
            filled.tolist(),
            outputs.probabilities.tolist(),
            outputs.rul.tolist(),
            outputs.values.tolist(),
            strict=True,
        )
        return [refused.get(index) or self._answer(*row) for index, row in enumerate(rows)]

    def _answer(
        self, item: Telemetry | Window, filled: float, probabilities: list[float], rul: list[float], values: list[float]
    ) -> Prediction | InvalidTelemetry:
        # A sum is finite only if all its terms are.
        if not math.isfinite(sum(probabilities) + sum(rul) + sum(values)):
            return InvalidTelemetry(
                Reason.SCORING_FAILED,
                f"the model answers {item.engine}, cycle {item.cycle}, with no number",
            )
        return Prediction(
            telemetry=item,
            signature=self.model.signature,
            version=self.model.version,
            filled=filled,
            probabilities=dict(zip(self.model.signature.classes, probabilities, strict=True)),
            rul=tuple(rul),
            values=dict(zip(self.model.signature.values, values, strict=True)),
            alert=self._alert is not None and probabilities[self._alert] >= self._threshold,
        )
