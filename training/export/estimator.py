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
from sklearn.base import is_classifier, is_outlier_detector, is_regressor
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from scoring.model.file import sealed
from scoring.model.signature import (
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
from training.export.made_up_rows import Rows, made_up
from training.export.model_file import versions
from training.export.prepared import prepared
from training.export.proof import Proof, prove
from training.graph.boosters import library_of
from training.graph.estimator import called, estimator_graph, steps
from training.graph.pipeline import last_step

OUTLIERS = ("outlier", "inlier")
"""The classes of an outlier detector."""

# Enough to see a wrong kernel or a wrong converter, and small beside the model.
GOLDEN_ROWS = 64
CHECKED_ROWS = 1_000
# Beyond this a graph does not compute what scikit-learn computes; relative where numbers are larger than 1.
TOLERANCE = 1e-4
# A device may be off by as much again.
GOLDEN_TOLERANCE = 2e-4
# The others lie on an edge, such as between two neighbours at the same distance, or on a threshold of a tree.
EQUAL_SHARE = 0.99
# The share of values that are taken out to see whether absent ones are taken alike.
HOLES = 0.2
# Answers that differ by less than this, relative where they are larger than 1, hardly tell one row from another.
HARDLY = 1e-3
# If the graph answers more of those rows otherwise once they are nudged, rounding is the reason.
MOST = 0.5
# If fewer of a column's values are still different ones as float32, it has more digits than that.
CLOSE = 0.9
# As far as values of float32 may be off what they stand for, a few times over.
NUDGE = 1e-6


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
        proof: How much of the file its golden rows prove.
        warnings: What its author should know, a sentence each.
    """

    content: bytes
    described: Described
    rows: int
    unequal: int
    proof: Proof
    warnings: tuple[str, ...]


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
    except ModuleNotFoundError as error:
        if _is_ours(str(error.name)):
            raise ExportError(f"{path} was written by another version: {_served_by(path)}") from error
        raise ExportError(
            f"{path} needs {error.name}, which is not installed: pip install it, and try again"
        ) from error
    except Exception as error:
        raise ExportError(f"{path} cannot be opened by joblib: {error}") from error
    for each in caught:
        note(str(each.message))
    if isinstance(estimator, Pipeline) and _is_ours(type(estimator[-1]).__module__):
        raise ExportError(f"{path} is what `fit` keeps of a model in scikit-learn: {_served_by(path)}")
    if not (is_classifier(estimator) or is_regressor(estimator) or is_outlier_detector(estimator)):
        raise ExportError(
            f"{path} holds {type(estimator).__name__}, expected a classifier, a regressor, an outlier detector or a "
            "pipeline that ends with one"
        )
    return estimator


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == "training"


def _served_by(path: Path) -> str:
    return f"devices serve {path.with_suffix('.onnx').name}, which `fit` wrote beside it, in every version"


def fields_of(estimator: Any) -> tuple[str, ...]:
    """The names of the DataFrame's columns that an estimator was fitted on; none where it saw no names."""
    return tuple(map(str, getattr(estimator, "feature_names_in_", ())))


def read_rows(path: Path, fields: Sequence[str]) -> Rows:
    """Rows [rows, fields] of a CSV file whose header names the fields, among others maybe.

    Raises:
        ExportError: It cannot be read, or lacks a field, or a value is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            twice = [name for name in fields if list(rows.fieldnames or ()).count(name) > 1]
            if twice:
                raise ExportError(f"{path} has the column {twice[0]} twice; leave one of them")
            found = [[float(row[name]) for name in fields] for row in rows]
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
        rows: float [rows, fields], to verify with; made up from what the estimator knows if there are none.

    Raises:
        ExportError: The names do not fit the estimator, a step of it cannot be converted, or the graph does not compute
            what it computes.
    """
    fields = tuple(fields) or fields_of(estimator)
    estimator = prepared(estimator)
    described = _described(estimator, fields, targets)
    shape = described.fields, described.output, described.names
    given = rows is not None
    if rows is None:
        rows = made_up(estimator, CHECKED_ROWS, len(described.fields))
    if rows.shape[1] != len(described.fields):
        raise ExportError(f"the rows have {rows.shape[1]} columns, the model takes {len(described.fields)}")
    rows = rows[:CHECKED_ROWS]
    takes_absent = _takes_absent(described, rows)
    graph = estimator_graph(estimator, *shape, takes_absent=takes_absent)
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
    warned: tuple[str, ...] = ()
    if takes_absent and not _answers_absent(graph, described, rows):
        graph = estimator_graph(estimator, *shape, takes_absent=False)
        warned = (
            f"{type(last_step(estimator)).__name__} of scikit-learn answers rows with gaps, and its graph would answer "
            "them otherwise: on a device a row that lacks a value is refused; fill gaps by a first step, such as "
            "SimpleImputer",
        )
    equal = _equal(graph, estimator, described, rows)
    chosen = _golden_rows(expected, equal)
    golden = Golden(windows[chosen], {described.output: expected[chosen]}, GOLDEN_TOLERANCE)
    onnx.helper.set_model_props(graph, {SIGNATURE_KEY: signature.to_json(), GOLDEN_KEY: golden.to_json()})
    onnx.checker.check_model(graph, full_check=True)
    content = sealed(graph.SerializeToString(deterministic=True))
    # As a device would load it.
    proof = prove(content)
    warned += _hardly(expected, described, given=given)
    return Exported(content, described, len(rows), int((~equal).sum()), proof, warned)


def _golden_rows(expected: FloatArray, equal: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rows whose answers are spread as widely as all rows' are, output by output."""
    rows = np.flatnonzero(equal)
    columns = expected.shape[1]
    each = max(2, GOLDEN_ROWS // columns)
    chosen: list[int] = []
    for column in range(columns):
        order = rows[np.argsort(expected[rows, column], kind="stable")]
        chosen += order[np.linspace(0, len(order) - 1, each).astype(int)].tolist()
    return np.array(list(dict.fromkeys(chosen))[:GOLDEN_ROWS])


def _hardly(expected: FloatArray, described: Described, *, given: bool) -> tuple[str, ...]:
    """A warning where answers hardly vary, so that golden rows prove little."""
    spread = float(np.ptp(expected, axis=0).max()) / max(1.0, float(np.abs(expected).max()))
    one_class = described.label is not None and len(np.unique(expected.argmax(axis=1))) == 1
    if spread > HARDLY and not one_class:
        return ()
    rows = "the sample's rows" if given else "made-up rows"
    alike = "the same class" if one_class else "next to the same answer"
    return (
        f"{rows} all get {alike}, so that golden rows prove little of the model; "
        f"give {'more different' if given else 'real'} ones by --sample",
    )


def _described(estimator: Any, fields: Sequence[str], targets: Sequence[str]) -> Described:
    wanted = getattr(estimator, "n_features_in_", None)
    if wanted is None:
        raise ExportError(f"{type(estimator).__name__} is not fitted; fit it first")
    names = tuple(fields)
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
    if is_outlier_detector(estimator):
        return _of_outliers(estimator, names)
    return _of_classes(estimator, names)


def _of_classes(estimator: Any, names: tuple[str, ...]) -> Described:
    if isinstance(estimator.classes_, list):
        raise ExportError(f"{type(estimator).__name__} predicts several classes at once; export one model for each")
    classes = tuple(map(str, estimator.classes_))

    def label(rows: Rows) -> NDArray[Any]:
        return _of_bare_rows(estimator.predict)(rows).astype(str)

    if hasattr(estimator, "predict_proba"):
        return Described(names, PROBABILITIES, classes, _of_bare_rows(estimator.predict_proba), label)
    if not hasattr(estimator, "decision_function"):
        raise ExportError(
            f"{called(estimator)} tells a class and no probabilities or scores; fit it so that it does, a "
            "VotingClassifier with voting='soft'"
        )
    decide = _of_bare_rows(estimator.decision_function)
    return Described(names, SCORES, classes, lambda rows: _each_class(decide(rows)), label)


def _of_outliers(estimator: Any, names: tuple[str, ...]) -> Described:
    """Scores of both kinds of rows, of which the higher one wins, as scikit-learn has it."""
    if not hasattr(estimator, "decision_function"):
        raise ExportError(f"{called(estimator)} judges its training rows only; fit it with novelty=True")
    decide, predict = _of_bare_rows(estimator.decision_function), _of_bare_rows(estimator.predict)
    return Described(
        names,
        SCORES,
        OUTLIERS,
        lambda rows: _each_class(decide(rows)),
        lambda rows: np.array(OUTLIERS)[(predict(rows) > 0).astype(int)],
    )


def _of_bare_rows(call: Callable[[Rows], Any]) -> Callable[[Rows], NDArray[Any]]:
    """A method of an estimator, without its warning that rows have no names."""

    def quietly(rows: Rows) -> NDArray[Any]:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            return np.asarray(call(rows))

    return quietly


def _each_class(scores: Rows) -> Rows:
    """Scores [rows, classes]; with two classes scikit-learn gives the second one's only."""
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


def _with_holes(rows: Rows) -> Rows:
    return np.where(np.random.default_rng(0).random(rows.shape) < HOLES, np.nan, rows)


def _takes_absent(described: Described, rows: Rows) -> bool:
    """Whether the estimator answers rows that lack values; its tags tell nothing of pipelines."""
    try:
        return bool(np.isfinite(described.predict(_with_holes(rows))).all())
    except ValueError:
        return False


def _answers_absent(graph: onnx.ModelProto, described: Described, rows: Rows) -> bool:
    """Whether the graph takes absent values as the estimator does; converted forests do not."""
    holes = _with_holes(rows)
    found = _run(graph, described, holes)
    expected = described.predict(holes)
    off = np.abs(found - expected).max(axis=1) / max(1.0, float(np.abs(expected).max()))
    return bool((off <= TOLERANCE).mean() >= EQUAL_SHARE)


def _run(graph: onnx.ModelProto, described: Described, rows: Rows) -> FloatArray:
    """What the graph answers.

    Raises:
        ExportError: onnxruntime cannot load or run it.
    """
    windows = {INPUT_NAME: rows[:, np.newaxis].astype(np.float32)}
    try:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        found: FloatArray = session.run([described.output], windows)[0]
    except Exception as error:
        raise ExportError(
            f"onnxruntime {onnxruntime.__version__} cannot run what skl2onnx made: {' '.join(str(error).split())}; "
            "use another estimator"
        ) from error
    return found


def _equal(graph: onnx.ModelProto, estimator: Any, described: Described, rows: Rows) -> NDArray[np.bool_]:
    """Which rows the graph answers as the estimator does.

    Raises:
        ExportError: Too few.
    """
    expected, found = described.predict(rows).astype(np.float32), _run(graph, described, rows)
    scale = max(1.0, float(np.abs(expected).max()))
    equal: NDArray[np.bool_] = (np.abs(found - expected) <= TOLERANCE * scale).all(axis=1)
    if equal.mean() < EQUAL_SHARE:
        raise ExportError(
            f"the graph answers {int((~equal).sum())} of {len(rows)} rows otherwise than the model, by up to "
            f"{np.abs(found - expected).max():.2g}: {_why(graph, estimator, described, rows[~equal])}"
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


def _why(graph: onnx.ModelProto, estimator: Any, described: Described, rows: Rows) -> str:
    """Why a graph answers these rows otherwise than its model, with the remedy."""
    rounded = rows.astype(np.float32).astype(np.float64)
    kept = [len(np.unique(after)) / len(np.unique(before)) for before, after in zip(rows.T, rounded.T, strict=True)]
    worst = int(np.argmin(kept))
    if kept[worst] < CLOSE:
        largest = float(np.abs(rows[:, worst]).max())
        return (
            f"{described.fields[worst]} goes up to {largest:.6g}, where float32 has steps of "
            f"{np.spacing(np.float32(largest)):.2g}, so that different values become one; "
            "subtract what they have in common before the model is fitted"
        )
    nudged = rounded * (1 + NUDGE * np.where(np.arange(rows.size).reshape(rows.shape) % 2, 1, -1))
    answers = _run(graph, described, rounded)
    scale = max(1.0, float(np.abs(answers).max()))
    moved = np.abs(_run(graph, described, nudged) - answers) > TOLERANCE * scale
    if moved.any(axis=1).mean() > MOST:
        scaled = any(isinstance(step, StandardScaler) for _, step in steps("", estimator))
        remedy = "scale its columns first, by StandardScaler"
        if scaled:
            remedy = "its columns are scaled already, so choose a smoother estimator"
        if scaled and library_of(last_step(estimator)):
            remedy = "trees need no scaled columns, so leave StandardScaler out"
        return f"it computes in float32, and rounding changes what comes out; {remedy}"
    return f"skl2onnx makes something else of {called(estimator)}; use another estimator"
