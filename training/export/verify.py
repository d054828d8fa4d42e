"""Whether a graph says what the pipeline says that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from scoring.model.model import Model
from training.data.windows import FloatArray
from training.errors import ExportError

TOLERANCE = 1e-5
"""The largest difference of a probability between graph and pipeline."""
RUL_TOLERANCE = 1e-2
"""The largest difference of a RUL between graph and pipeline, in cycles."""

# Bounds the memory that a call takes.
_BATCH = 1024


@dataclass(frozen=True)
class Verification:
    """How far the graph is from the pipeline that it was made from.

    Attributes:
        windows: How many windows were compared.
        probability: The largest absolute difference of a probability.
        rul: The largest absolute difference of low, median or high, in cycles.
        labels: How many windows have another most probable class.
    """

    windows: int
    probability: float
    rul: float
    labels: int


def predict(pipeline: Pipeline, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the pipeline itself says: probabilities [rows, classes], and low, median, high [rows, 3].

    Args:
        pipeline: WindowFeatures and Experts, fitted.
        windows: float32 [rows, W, fields].
    """
    features = pipeline[:-1].transform(windows)
    return pipeline[-1].predict_proba(features), pipeline[-1].predict(features)


def predict_by_graph(model: Model, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the exported graph says, in the shapes of `predict`.

    Args:
        model: The exported file, as a device loads it.
        windows: float32 [rows, W, fields].
    """
    outputs = [model.predict(windows[start : start + _BATCH]) for start in range(0, max(1, len(windows)), _BATCH)]
    return (
        np.concatenate([each.probabilities for each in outputs]),
        np.concatenate([each.rul for each in outputs]),
    )


def verify(content: bytes, pipeline: Pipeline, windows: FloatArray) -> Verification:
    """Run the graph and the pipeline it was made from on the same windows.

    Args:
        content: The exported file.
        pipeline: What it was made from.
        windows: float32 [rows, W, fields].

    Raises:
        ExportError: A probability or a RUL differs by more than its tolerance, or is NaN.
        ModelError: A device would refuse the file.
    """
    probabilities, rul = predict_by_graph(Model(content), windows)
    expected_probabilities, expected_rul = predict(pipeline, windows)
    result = Verification(
        windows=len(windows),
        probability=float(np.abs(probabilities - expected_probabilities).max(initial=0.0)),
        rul=float(np.abs(rul - expected_rul).max(initial=0.0)),
        labels=int((probabilities.argmax(axis=1) != expected_probabilities.argmax(axis=1)).sum()),
    )
    # Asked this way round, NaN fails too.
    if not (result.probability <= TOLERANCE and result.rul <= RUL_TOLERANCE):
        raise ExportError(
            f"the graph is off the pipeline's probabilities by up to {result.probability:.2g}, its RUL by "
            f"{result.rul:.2g} cycles; {TOLERANCE:.0e} and {RUL_TOLERANCE:.0e} are allowed: install the locked "
            "versions of skl2onnx and onnxruntime"
        )
    return result
