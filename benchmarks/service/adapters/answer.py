"""What every server does with a request, once it has the windows."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from scoring.model.model import Model


def load() -> Model:
    """The model that is compared."""
    return Model.load(Path(os.environ["MODEL_PATH"]))


def answer(model: Model, windows: object) -> np.ndarray:
    """Probabilities and RUL of windows [n, W, fields], float32 [n, classes + 3]."""
    outputs = model.predict(np.asarray(windows, dtype=np.float32))
    return np.concatenate([outputs.probabilities, outputs.rul], axis=1)
