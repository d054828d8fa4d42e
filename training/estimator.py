"""Any scikit-learn estimator of single rows as a file that devices serve."""
# ruff: noqa: ANN401 - scikit-learn has no types: an estimator is Any

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils import get_tags

from scoring.model import Model
from scoring.signature import (
    GOLDEN_KEY,
    INPUT_NAME,
    MAX_FIELDS,
    PROBABILITIES,
    SCORES,
    SIGNATURE_KEY,
    VALUES,
    Field,
    FloatArray,
    Golden,
    Signature,
)
from training.errors import ExportError
from training.estimator_graph import estimator_graph, steps
from training.export import versions

# Enough to see a wrong kernel or a wrong converter, and small beside the model.
GOLDEN_ROWS = 16
CHECKED_ROWS = 1_000
# Beyond this a graph does not compute what scikit-learn computes; relative where numbers are larger than 1.
TOLERANCE = 1e-4
# A device may be off by as much again.
GOLDEN_TOLERANCE = 2e-4
# The others lie on an edge, such as between two neighbours at the same distance, or on a threshold of a tree.
EQUAL_SHARE = 0.99
# The share of values that are taken out to see whether absent ones are taken alike.
HOLES = 0.2


Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Described:
    """What an estimator predicts, as its file says it.

    Attributes:
        fields: Names of the columns that it takes, in order.
        output: `probabilities`, `scores` or `values`.
        names: Of the output's columns.
        predict: The estimator's own answer to rows [rows, fields]: float [rows, names].
        label: The classes that it chooses for rows, as text; None for a regressor.
    """

    fields: tuple[str, ...]
    output: str
    names: tuple[str, ...]
    predict: Callable[[Rows], Rows]
    label: Callable[[Rows], NDArray[Any]] | None = None


@dataclass(frozen=True)
class Exported:
    """A file, and how it compares with the estimator that it was made of.

    Attributes:
        content: The file's bytes.
        described: What it predicts.
        rows: How many rows were compared.
        unequal: How many of them have another answer.
    """

    content: bytes
    described: Described
    rows: int
    unequal: int


def load_estimator(path: Path, note: Callable[[str], None]) -> Any:
    """Open a joblib file. It can run whatever code its author put into it: open only what you trust.

    Raises:
        ExportError: It cannot be read, or holds no fitted classifier or regressor.
    """
    note(f"{path} is opened by joblib, which runs whatever code the file holds; open only what you trust")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", InconsistentVersionWarning)
            estimator = joblib.load(path)
    except Exception as error:
        raise ExportError(f"{path} cannot be opened by joblib: {error}") from error
    for each in caught:
        note(str(each.message))
    if not (is_classifier(estimator) or is_regressor(estimator)):
        raise ExportError(f"{path} holds {type(estimator).__name__}, expected a classifier, a regressor or a pipeline")
    return estimator


def fields_of(estimator: Any) -> tuple[str, ...]:
    """The names of the DataFrame's columns that an estimator was fitted on; none where it saw no names."""
    return tuple(map(str, getattr(estimator, "feature_names_in_", ())))


def read_rows(path: Path, fields: Sequence[str]) -> Rows:
    """Rows [rows, fields] of a CSV file whose header names the fields, among others maybe.

    Raises:
        ExportError: It cannot be read, or lacks a field, or a value is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            found = [[float(row[name]) for name in fields] for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ExportError(f"{path} cannot be used as a sample of {', '.join(fields)}: {error!r}") from error
    if not found:
        raise ExportError(f"{path} has no rows")
    return np.array(found)


def export_estimator(
    name: str, estimator: Any, fields: Sequence[str] = (), targets: Sequence[str] = (), rows: Rows | None = None
) -> Exported:
    """The ONNX file of a fitted estimator that takes plain numbers, one row at a time, verified against it.

    Args:
        name: The model's name.
        estimator: A fitted scikit-learn classifier, regressor or pipeline.
        fields: Names of its columns, in order; those of the DataFrame it was fitted on if there are none.
        targets: Names of what a regressor predicts.
        rows: float [rows, fields], to verify with; made at random if there are none.

    Raises:
        ExportError: The names do not fit the estimator, a step of it cannot be converted, or the graph does not compute
            what it computes.
    """
    described = _described(estimator, fields, targets)
    shape = len(described.fields), described.output, len(described.names)
    takes_absent = bool(get_tags(estimator).input_tags.allow_nan)
    graph = estimator_graph(estimator, *shape, takes_absent=takes_absent)
    if rows is None:
        rows = _made_up(estimator, len(described.fields))
    if rows.shape[1] != len(described.fields):
        raise ExportError(f"the rows have {rows.shape[1]} columns, the model takes {len(described.fields)}")
    rows = rows[:CHECKED_ROWS]
    expected = described.predict(rows).astype(np.float32)
    signature = Signature(
        name=name,
        fields=tuple(Field(each) for each in described.fields),
        window=1,
        cycle="",
        classes=() if described.output == VALUES else described.names,
        scores=described.output == SCORES,
        values=described.names if described.output == VALUES else (),
        versions=versions(),
    )
    windows: FloatArray = rows[:, np.newaxis].astype(np.float32)
    if takes_absent and not _answers_absent(graph, described, rows):
        graph = estimator_graph(estimator, *shape, takes_absent=False)
    equal = _equal(graph, described, windows, expected, rows)
    golden = Golden(windows[equal][:GOLDEN_ROWS], {described.output: expected[equal][:GOLDEN_ROWS]}, GOLDEN_TOLERANCE)
    onnx.helper.set_model_props(graph, {SIGNATURE_KEY: signature.to_json(), GOLDEN_KEY: golden.to_json()})
    onnx.checker.check_model(graph, full_check=True)
    content = bytes(graph.SerializeToString(deterministic=True))
    # As a device would.
    Model(content)
    return Exported(content, described, len(rows), int((~equal).sum()))


def _described(estimator: Any, fields: Sequence[str], targets: Sequence[str]) -> Described:
    wanted = getattr(estimator, "n_features_in_", None)
    if wanted is None:
        raise ExportError(f"{type(estimator).__name__} is not fitted; fit it first")
    names = tuple(fields) or fields_of(estimator)
    if not names:
        raise ExportError(f"the model takes {wanted} columns without names; name them by --fields")
    if len(names) != wanted or len(set(names)) != len(names) or len(names) > MAX_FIELDS:
        raise ExportError(
            f"{len(names)} fields are named, the model takes {wanted}; name as many, each once, at most {MAX_FIELDS}"
        )
    if is_regressor(estimator):
        predict = _of_bare_rows(estimator.predict)
        columns = np.reshape(predict(np.zeros((1, wanted))), (1, -1)).shape[1]
        found = tuple(targets) or (("value",) if columns == 1 else tuple(f"value_{n}" for n in range(1, columns + 1)))
        if len(found) != columns:
            raise ExportError(
                f"{len(found)} targets are named, the model predicts {columns}; name as many by --targets"
            )
        return Described(names, VALUES, found, lambda rows: np.reshape(predict(rows), (len(rows), -1)))
    if isinstance(estimator.classes_, list):
        raise ExportError(f"{type(estimator).__name__} predicts several classes at once; export one model for each")
    classes = tuple(map(str, estimator.classes_))

    def label(rows: Rows) -> NDArray[Any]:
        return _of_bare_rows(estimator.predict)(rows).astype(str)

    if hasattr(estimator, "predict_proba"):
        return Described(names, PROBABILITIES, classes, _of_bare_rows(estimator.predict_proba), label)
    decide = _of_bare_rows(estimator.decision_function)
    return Described(names, SCORES, classes, lambda rows: _each_class(decide(rows)), label)


def _of_bare_rows(call: Callable[[Rows], Any]) -> Callable[[Rows], NDArray[Any]]:
    """A method of an estimator, without its warning that rows have no names."""

    def quietly(rows: Rows) -> NDArray[Any]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return np.asarray(call(rows))

    return quietly


def _each_class(scores: Rows) -> Rows:
    """Scores [rows, classes]; with two classes scikit-learn gives the second one's only."""
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def _made_up(estimator: Any, fields: int) -> Rows:
    """Rows of several sizes, and as the estimator's first step saw them where that keeps means and deviations."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(CHECKED_ROWS, fields)) * np.resize([0.1, 1.0, 10.0, 100.0], CHECKED_ROWS)[:, np.newaxis]
    first = next(iter(steps("", estimator)))[1]
    mean, scale = np.asarray(getattr(first, "mean_", 0.0)), np.asarray(getattr(first, "scale_", 0.0))
    if mean.shape == scale.shape == (fields,):
        rows[::2] = rng.normal(size=rows[::2].shape) * scale + mean
    made: Rows = rows
    return made


def _answers_absent(graph: onnx.ModelProto, described: Described, rows: Rows) -> bool:
    """Whether the graph takes absent values as the estimator does; converted forests do not."""
    holes = np.where(np.random.default_rng(0).random(rows.shape) < HOLES, np.nan, rows)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([described.output], {INPUT_NAME: holes[:, np.newaxis].astype(np.float32)})[0]
    expected = described.predict(holes)
    off = np.abs(found - expected).max(axis=1) / max(1.0, float(np.abs(expected).max()))
    return bool((off <= TOLERANCE).mean() >= EQUAL_SHARE)


def _equal(
    graph: onnx.ModelProto, described: Described, windows: FloatArray, expected: FloatArray, rows: Rows
) -> NDArray[np.bool_]:
    """Which rows the graph answers as the estimator does.

    Raises:
        ExportError: Too few.
    """
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run([described.output], {INPUT_NAME: windows})[0]
    scale = max(1.0, float(np.abs(expected).max()))
    equal: NDArray[np.bool_] = (np.abs(found - expected) <= TOLERANCE * scale).all(axis=1)
    if equal.mean() < EQUAL_SHARE:
        raise ExportError(
            f"the graph answers {int((~equal).sum())} of {len(rows)} rows otherwise than the model, by up to "
            f"{np.abs(found - expected).max():.2g}; float32 is not enough for it: "
            "scale its columns first, by StandardScaler"
        )
    if described.label is not None:
        highest = np.sort(expected, axis=1)
        clear = equal & (highest[:, -1] - highest[:, -2] > TOLERANCE * scale)
        other = np.array(described.names)[expected.argmax(axis=1)] != described.label(rows)
        if count := int((clear & other).sum()):
            raise ExportError(
                f"the model gives {count} of {len(rows)} rows another class than that of the highest "
                f"{described.output}; an SVC does not with break_ties=True"
            )
    return equal
