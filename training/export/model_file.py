"""From a fitted pipeline to the one file that a device needs: graph, signature, golden windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from sklearn.pipeline import Pipeline

from scoring.model.file import sealed
from scoring.model.model import Model
from scoring.model.signature import (
    DRIFT_KEY,
    GOLDEN_KEY,
    MAX_GOLDEN_BYTES,
    PROBABILITIES,
    RUL,
    SIGNATURE_KEY,
    Golden,
    Signature,
)
from scoring.version import VERSION
from training.data.dataset import Dataset
from training.data.windows import FloatArray
from training.errors import ExportError
from training.export.drift_reference import drift_reference
from training.export.golden import golden_windows
from training.fitting.fit import Fitted
from training.graph.pipeline import to_onnx

TOLERANCE = 1e-5
"""The largest difference of a probability between graph and pipeline."""
RUL_TOLERANCE = 1e-2
"""The largest difference of a RUL between graph and pipeline, in cycles."""

GOLDEN_TOLERANCE = 2e-5
"""The largest difference to the pipeline that a device may show: that of the graph, and as much again."""

# Bounds the memory that a call takes.
_BATCH = 1024
_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")


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


def export(name: str, fitted: Fitted, data: Dataset, figures: Mapping[str, Any]) -> bytes:
    """The ONNX file of a fitted pipeline; the same bytes for the same pipeline, data and figures.

    Args:
        name: The model's name, such as fd003.
        fitted: What `fit` returned.
        data: What it was fitted on.
        figures: What the model reached, by data set and measure.
    """
    prognosis = fitted.pipeline[-1]
    task = data.task
    signature = Signature(
        name=name,
        fields=task.fields,
        window=task.window,
        cycle=task.cycle,
        classes=prognosis.classes.names,
        edges=prognosis.classes.edges,
        rul_cap=prognosis.cap,
        interval=prognosis.whole.calibration.intervals.share,
        data={
            "name": data.name,
            "sha256": data.sha256,
            "rows": len(data.rul),
            "engines": data.trajectories.engines,
            "settings": list(task.settings),
        },
        versions=versions(),
        figures=figures,
        alert={"class": prognosis.classes.names[0], "threshold": fitted.alert},
        machine=task.machine,
    )
    properties = {
        SIGNATURE_KEY: signature.to_json(),
        GOLDEN_KEY: _golden(fitted.pipeline, data).to_json(),
        DRIFT_KEY: drift_reference(fitted.pipeline, data),
    }
    model = to_onnx(fitted.pipeline, task.window, task.fields)
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return sealed(model.SerializeToString(deterministic=True))


def versions() -> dict[str, str]:
    """The libraries that make a file, with their versions."""
    return {**{library: version(library) for library in _LIBRARIES}, "turbofan-edge": VERSION}


def metadata(content: bytes) -> dict[str, str]:
    """What a model file says besides its graph, by key."""
    return {each.key: each.value for each in onnx.load_from_string(content).metadata_props}


def predict(pipeline: Pipeline, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the pipeline itself says: probabilities [rows, classes], and low, median, high [rows, 3]."""
    features = pipeline[:-1].transform(windows)
    return pipeline[-1].predict_proba(features), pipeline[-1].predict(features)


def predict_by_graph(model: Model, windows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the exported graph says, in the shapes of `predict`."""
    outputs = [model.predict(windows[start : start + _BATCH]) for start in range(0, max(1, len(windows)), _BATCH)]
    return (
        np.concatenate([each.probabilities for each in outputs]),
        np.concatenate([each.rul for each in outputs]),
    )


def verify(content: bytes, pipeline: Pipeline, windows: FloatArray) -> Verification:
    """Run the graph and the pipeline it was made from on the same windows.

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


def _golden(pipeline: Pipeline, data: Dataset) -> Golden:
    chosen = golden_windows(pipeline, data)
    most = MAX_GOLDEN_BYTES // chosen[0].nbytes
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(int)]
    probabilities, rul = predict(pipeline, chosen)
    return Golden(chosen, {PROBABILITIES: probabilities, RUL: rul}, GOLDEN_TOLERANCE)
