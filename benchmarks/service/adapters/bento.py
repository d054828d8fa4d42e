"""For BentoML: a service that batches adaptively."""

from __future__ import annotations

import bentoml
import numpy as np

from benchmarks.service.adapters.answer import answer, load


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 1_000})
class Scoring:
    """The service."""

    def __init__(self) -> None:
        self.model = load()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=10_000)
    def predict(self, windows: np.ndarray) -> np.ndarray:
        return answer(self.model, windows)
