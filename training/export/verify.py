"""Whether a graph says what the pipeline says that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from scoring.model.model import Model
from scoring.model.outputs import Outputs
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
        probability: The largest absolute difference of a probability, a class's or the curve's.
        rul: The largest absolute difference of low, median, high or middle, in cycles.
        labels: How many windows have another most probable class.
    """

    windows: int
    probability: float
    rul: float
    labels: int


def predict(pipeline: Pipeline, windows: FloatArray) -> Outputs:
    """What the pipeline itself says.

    Args:
        pipeline: WindowFeatures and Experts, fitted.
        windows: float32 [rows, W, fields].
    """
    said: Outputs = pipeline[-1].predict(pipeline[:-1].transform(windows))
    return said


def predict_by_graph(model: Model, windows: FloatArray) -> Outputs:
    """What the exported graph says.

    Args:
        model: The exported file, as a device loads it.
        windows: float32 [rows, W, fields].
    """
    calls = [model.predict(windows[start : start + _BATCH]) for start in range(0, max(1, len(windows)), _BATCH)]
    return Outputs(*(np.concatenate(arrays) for arrays in zip(*(each.each() for each in calls), strict=True)))


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
    found, expected = predict_by_graph(Model(content), windows), predict(pipeline, windows)
    off = Outputs(*(np.abs(one - other) for one, other in zip(found.each(), expected.each(), strict=True)))
    result = Verification(
        windows=len(windows),
        probability=float(max(each.max(initial=0.0) for each in (off.probabilities, off.survival, off.modes))),
        rul=float(np.max([off.rul.max(initial=0.0), off.middle.max(initial=0.0)])),
        labels=int((found.probabilities.argmax(axis=1) != expected.probabilities.argmax(axis=1)).sum()),
    )
    # Asked this way round, NaN fails too.
    if not (result.probability <= TOLERANCE and result.rul <= RUL_TOLERANCE):
        raise ExportError(
            f"the graph is off the pipeline's probabilities by up to {result.probability:.2g}, its RUL by "
            f"{result.rul:.2g} cycles; {TOLERANCE:.0e} and {RUL_TOLERANCE:.0e} are allowed: install the locked "
            "versions of skl2onnx and onnxruntime"
        )
    return result
