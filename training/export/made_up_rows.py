"""Rows that reach what an estimator knows: thresholds of its trees, its means, its support vectors."""
# ruff: noqa: ANN401 - scikit-learn has no types: an estimator is Any

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer

from training.graph.boosters import library_of, splits

Rows = NDArray[np.float64]


def made_up(estimator: Any, count: int, fields: int) -> Rows:
    """Rows as an estimator may have seen them, the same for the same estimator.

    Half reach what its last step knows, carried back through the steps before it; half what its first step saw, where
    that keeps it.

    Args:
        estimator: Fitted.
        count: How many.
        fields: Columns of a row.

    Returns:
        float64 [count, fields].
    """
    rng = np.random.default_rng(0)
    half = count // 2
    first = _rows(_steps(estimator)[0], half, fields, rng)
    last = _through(estimator, count - half, fields, rng)
    rows = np.empty((count, fields))
    rows[::2], rows[1::2] = last, first if first is not None else _plain(half, fields, rng)
    return rows


def _through(estimator: Any, count: int, fields: int, rng: np.random.Generator) -> Rows:
    """Rows that reach what the last step knows, or else the one before it, and so on."""
    steps = _steps(estimator)
    for place in reversed(range(len(steps))):
        width = getattr(steps[place], "n_features_in_", fields)
        rows = _rows(steps[place], count, width, rng)
        for before in reversed(steps[:place]):
            rows = None if rows is None else _back(before, rows)
        if rows is not None and rows.shape[1] == fields:
            return rows
    return _plain(count, fields, rng)


def _steps(estimator: Any) -> list[Any]:
    """The steps of a pipeline, of those within it as well; an estimator itself."""
    if hasattr(estimator, "steps"):
        return [inner for _, step in estimator.steps if step not in (None, "passthrough") for inner in _steps(step)]
    return [estimator]


def _back(step: Any, rows: Rows) -> Rows | None:
    """What a step would have made these rows of; None where it cannot be told."""
    if isinstance(step, ColumnTransformer):
        return _back_to_columns(step, rows)
    if not hasattr(step, "inverse_transform"):
        return None
    try:
        return np.asarray(step.inverse_transform(rows), dtype=np.float64)
    except (ValueError, TypeError, AttributeError):
        return None


def _back_to_columns(step: Any, rows: Rows) -> Rows | None:
    """The same for a step that treats columns apart; those that it drops are 0."""
    found = np.zeros((len(rows), step.n_features_in_))
    for name, inner, columns in step.transformers_:
        seen = rows[:, step.output_indices_[name]]
        if inner == "drop":
            continue
        back = seen if inner == "passthrough" else _back(inner, seen)
        if back is None:
            return None
        found[:, _places(step, columns)] = back
    return found


def _places(step: Any, columns: Any) -> Any:
    """Where columns stand, which may be called by their names."""
    names = list(getattr(step, "feature_names_in_", ()))
    wanted = [columns] if isinstance(columns, str) else columns
    return (
        [names.index(each) if isinstance(each, str) else each for each in np.atleast_1d(wanted).tolist()]
        if names
        else columns
    )


def _rows(step: Any, count: int, width: int, rng: np.random.Generator) -> Rows | None:
    """Rows [count, width] that reach what a step knows; None if it knows nothing that can be told."""
    thresholds = _thresholds(step, width)
    if thresholds is not None:
        between = _between(thresholds, count, rng)
        # XGBoost's thresholds are values of its training rows, so that half of what it meets lies on one.
        return _on(thresholds, between, rng) if library_of(step) == "xgboost" else between
    for known in (_vectors, _distribution):
        rows = known(step, count, width, rng)
        if rows is not None:
            return rows
    parts = [_through(part, count, width, rng) for part in _members(step)]
    if not parts:
        return None
    mixed: Rows = np.stack(parts)[np.arange(count) % len(parts), np.arange(count)]
    return mixed


def _members(step: Any) -> list[Any]:
    """The estimators that an ensemble is made of, as far as they see all columns."""
    calibrated = [each.estimator for each in getattr(step, "calibrated_classifiers_", ())]
    members = calibrated or list(np.ravel(np.asarray(getattr(step, "estimators_", ()), dtype=object)))
    width = getattr(step, "n_features_in_", None)
    return [each for each in members if getattr(each, "n_features_in_", None) == width]


def _thresholds(step: Any, width: int) -> list[NDArray[np.float64]] | None:
    """The thresholds of each column in all trees; None if it has no trees."""
    found: list[list[float]] = [[] for _ in range(width)]
    pairs = list(_splits(step))
    for features, values in pairs:
        for feature, value in zip(features.tolist(), values.tolist(), strict=True):
            if feature < width and np.isfinite(value):
                found[feature].append(value)
    return [np.unique(each) for each in found] if pairs else None


def _splits(step: Any) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Columns and thresholds of each tree's branches."""
    if library_of(step):
        yield from splits(step)
    if hasattr(step, "_predictors"):
        for stage in step._predictors:
            for tree in stage:
                branches = tree.nodes[tree.nodes["is_leaf"] == 0]
                yield branches["feature_idx"], branches["num_threshold"]
    trees = [step] if hasattr(step, "tree_") else np.ravel(np.asarray(getattr(step, "estimators_", ()), dtype=object))
    for each in trees:
        if hasattr(each, "tree_"):
            branches = each.tree_.feature >= 0
            yield each.tree_.feature[branches], each.tree_.threshold[branches]


def _between(thresholds: list[NDArray[np.float64]], count: int, rng: np.random.Generator) -> Rows:
    """Values between neighbouring thresholds, beyond the ends, and exactly on some of them."""
    columns = []
    for values in thresholds:
        if not len(values):
            columns.append(rng.normal(size=count))
            continue
        margin = max(float(np.ptp(values)) / 10, abs(float(values[0])) * 1e-3, 1e-3)
        edges = np.array([values[0] - margin, *values, values[-1] + margin])
        place = rng.integers(len(edges) - 1, size=count)
        columns.append(edges[place] + (edges[place + 1] - edges[place]) * rng.uniform(0.1, 0.9, count))
    return np.column_stack(columns)


def _on(thresholds: list[NDArray[np.float64]], rows: Rows, rng: np.random.Generator) -> Rows:
    """The rows with half of their values moved to a threshold."""
    for column, values in enumerate(thresholds):
        if len(values):
            moved = rng.random(len(rows)) < 0.5
            rows[moved, column] = rng.choice(values, size=int(moved.sum()))
    return rows


def _vectors(step: Any, count: int, width: int, rng: np.random.Generator) -> Rows | None:
    """Around what it keeps of its training rows, or of their centres."""
    for name in ("support_vectors_", "_fit_X", "X_train_", "cluster_centers_", "means_", "theta_"):
        kept = getattr(step, name, None)
        if isinstance(kept, np.ndarray) and kept.ndim == 2 and kept.shape[1] == width and len(kept):
            spread = kept.std(axis=0) if len(kept) > 1 else np.ones(width)
            rows = kept[rng.integers(len(kept), size=count)] + rng.normal(size=(count, width)) * spread * 0.5
            return np.asarray(rows, dtype=np.float64)
    return None


_KEPT: tuple[tuple[str, str, Callable[[np.random.Generator, Any, Any, tuple[int, int]], Rows]], ...] = (
    ("mean_", "scale_", lambda rng, mean, scale, shape: mean + scale * rng.normal(size=shape)),
    ("center_", "scale_", lambda rng, centre, scale, shape: centre + scale * rng.normal(size=shape)),
    ("data_min_", "data_max_", lambda rng, low, high, shape: rng.uniform(low, high, size=shape)),
)


def _distribution(step: Any, count: int, width: int, rng: np.random.Generator) -> Rows | None:
    """As it was told that its columns are distributed, by means and deviations or by ends."""
    for first, second, draw in _KEPT:
        one, other = getattr(step, first, None), getattr(step, second, None)
        if one is not None and other is not None and np.shape(one) == np.shape(other) == (width,):
            return draw(rng, one, other, (count, width))
    return None


def _plain(count: int, fields: int, rng: np.random.Generator) -> Rows:
    """Rows of several sizes, where nothing is known."""
    sizes = np.resize([0.1, 1.0, 10.0, 100.0], count)
    rows: Rows = rng.normal(size=(count, fields)) * sizes[:, np.newaxis]
    return rows
