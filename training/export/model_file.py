"""From a fitted pipeline to the one file that a device needs: graph, signature, golden windows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
from sklearn.pipeline import Pipeline

from scoring.model.file import sealed
from scoring.model.signature import (
    DERIVED_FORMAT,
    DRIFT_KEY,
    FORMAT,
    GOLDEN_KEY,
    MAX_GOLDEN_BYTES,
    MIDDLE,
    MODES,
    PROBABILITIES,
    RUL,
    SIGNATURE_KEY,
    SURVIVAL,
    Golden,
    Signature,
)
from scoring.version import VERSION
from training.data.dataset import Dataset
from training.estimators.experts import Experts
from training.evaluation.guarantee import Guarantee
from training.export.drift_reference import drift_reference
from training.export.golden import golden_windows
from training.export.verify import predict
from training.fitting.fit import Fitted
from training.graph.pipeline import to_onnx

GOLDEN_TOLERANCE = 2e-5
"""The largest difference to the pipeline that a device may show: that of the graph, and as much again."""

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "skl2onnx")


def export_model(name: str, fitted: Fitted, data: Dataset, figures: Mapping[str, Any]) -> bytes:
    """The ONNX file of a fitted pipeline; the same bytes for the same pipeline, data and figures.

    Args:
        name: The model's name, such as fd003.
        fitted: What `fit` returned.
        data: What it was fitted on.
        figures: What the model reached, by data set and measure.
    """
    return stamped(build(name, fitted, data), figures)


def build(name: str, fitted: Fitted, data: Dataset) -> onnx.ModelProto:
    """The graph of a fitted pipeline with all that its file says of it, but for what it reached.

    Args:
        name: The model's name, such as fd003.
        fitted: What `fit` returned.
        data: What it was fitted on.
    """
    prognosis: Experts = fitted.pipeline[-1]
    task = data.task
    signature = Signature(
        name=name,
        fields=task.fields,
        window=task.window,
        cycle=task.cycle,
        classes=prognosis.classes.names,
        edges=prognosis.classes.edges,
        rul_cap=prognosis.cap,
        interval=fitted.share,
        data={
            "name": data.name,
            "sha256": data.sha256,
            "rows": len(data.rul),
            "engines": data.trajectories.engines,
            "settings": list(task.settings),
            **({"unfailed": fitted.unfailed} if fitted.unfailed else {}),
        },
        versions=versions(),
        alert=_alert(prognosis.classes.names[0], fitted.alert),
        curve=prognosis.grades_.curve,
        machine=task.machine,
        modes=() if prognosis.modes is None else prognosis.modes.names,
        derived=task.derived,
        format=DERIVED_FORMAT if task.derived else FORMAT,
    )
    properties = {
        SIGNATURE_KEY: signature.to_json(),
        GOLDEN_KEY: _golden(fitted.pipeline, data).to_json(),
        DRIFT_KEY: drift_reference(fitted.pipeline, data),
    }
    model = to_onnx(fitted.pipeline, task.window, task.fields)
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model, full_check=True)
    return model


def stamped(graph: onnx.ModelProto, figures: Mapping[str, Any]) -> bytes:
    """The ONNX file of a graph that `build` made.

    Args:
        graph: Is left as it is, so that it can be stamped again when it has been judged.
        figures: What the model reached, by data set and measure.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph)
    (signature,) = (each for each in model.metadata_props if each.key == SIGNATURE_KEY)
    signature.value = replace(Signature.from_json(signature.value), figures=figures).to_json()
    return sealed(model.SerializeToString(deterministic=True))


def versions() -> dict[str, str]:
    """The libraries that make a file, with their versions."""
    return {**{library: version(library) for library in _LIBRARIES}, "turbofan-edge": VERSION}


def metadata(content: bytes) -> dict[str, str]:
    """What a model file says besides its graph, by key."""
    return {each.key: each.value for each in onnx.load_from_string(content).metadata_props}


def _alert(name: str, alert: Guarantee) -> dict[str, Any]:
    """When to raise an alert on a class, and what that keeps."""
    return {
        "class": name,
        "threshold": alert.threshold,
        "alpha": alert.alpha,
        "engines": alert.engines,
        "thresholds": [{"alpha": alpha, "threshold": each} for alpha, each in alert.thresholds.items()],
    }


def _golden(pipeline: Pipeline, data: Dataset) -> Golden:
    chosen = golden_windows(pipeline, data)
    most = MAX_GOLDEN_BYTES // chosen[0].nbytes
    if len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(int)]
    said = predict(pipeline, chosen)
    outputs = {PROBABILITIES: said.probabilities, RUL: said.rul, MIDDLE: said.middle, SURVIVAL: said.survival}
    if said.modes.shape[1]:
        outputs[MODES] = said.modes
    return Golden(chosen, outputs, GOLDEN_TOLERANCE)
