"""The search for a recipe: model families and settings, judged by cross-validation grouped by engine."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from training.dataset import Dataset
from training.features import WindowFeatures
from training.fitting import Progress, fit_and_predict
from training.prognosis import Prognosis
from training.recipe import NETWORKS, TREES, Recipe
from training.shipping import SHIPPED
from training.task import Task
from training.views import View
from training.windows import FloatArray

FOLDS = 4

_NINE = View(means=(1, 5, 10, 20, 30, 50), slopes=(15, 30, 50))
_WORN = 150
"""Rows with at most this RUL, in cycles, are judged apart: healthier ones are all alike."""


def candidates(task: Task) -> dict[str, Pipeline]:
    """The pipelines for whole windows that are compared for a task, by name, none fitted."""
    tree = Recipe(boosted=1, networks=0)
    network = Recipe(boosted=0, networks=1)
    found = {
        "nine filters, boosting": replace(tree, tree_view=_NINE, views=(_NINE,)),
        "six filters, boosting": replace(tree, views=(TREES,)),
        "six filters, boosting, 31 leaves": replace(tree, views=(TREES,), regressor_leaves=31),
        "nine filters, network": replace(network, tree_view=_NINE, views=(_NINE,)),
        "six filters, network": replace(network, views=(TREES,)),
    }
    for view in NETWORKS:
        name = f"means {view.means}, slopes {view.slopes}, network"
        found[name] = replace(network, tree_view=view, views=(view,))
    view = NETWORKS[0]
    single = replace(network, tree_view=view, views=(view,))
    found |= {
        "the first of these, a quarter of the decay": replace(single, classifier_decay=0.75, regressor_decay=0.05),
        "the first of these, four times the decay": replace(single, classifier_decay=12.0, regressor_decay=0.8),
        "the first of these, half the epochs": replace(single, epochs=10),
        "the first of these, two layers": replace(single, layers=(64, 32)),
        "default: one boosting, three networks": Recipe(),
        "shipped: two boostings, six networks": SHIPPED,
    }
    pipelines = {name: task.recipe(recipe).pipeline_for_whole_windows() for name, recipe in found.items()}
    coarse = task.recipe(SHIPPED).pipeline_for_whole_windows()
    prognosis = coarse[-1]
    coarse.set_params(prognosis__classifiers=(*prognosis.classifiers, *prognosis.graders), prognosis__graders=())
    pipelines["shipped, but networks of the classes, not of finer grades"] = coarse
    others = {"one raw row, random forest": _random_forest(task), "nine filters, linear": _linear(task)}
    return others | pipelines


def search(data: Dataset, directory: Path, progress: Progress, jobs: int) -> str:
    """Judge every candidate that has not been judged yet, and write the table.

    Each fold's result is kept as it comes, in search-<data>.json, so that a search that was interrupted goes on where
    it was. A candidate whose settings have changed is judged anew.

    Args:
        data: Engines that ran to failure.
        directory: Where results are kept, and the table search-<data>.md is written.
        progress: Is told what has been done.
        jobs: How many processes work at once.

    Returns:
        The table, in Markdown.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / f"search-{data.name.lower()}.json"
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    pipelines = candidates(data.task)
    keys = {name: _key(pipeline, data) for name, pipeline in pipelines.items()}
    x = data.windows()
    splits = list(GroupKFold(FOLDS, shuffle=True, random_state=1).split(x, groups=data.trajectories.units))
    wanted = {f"{keys[name]}/{fold}": (name, fold) for name in pipelines for fold in range(FOLDS)}
    missing = {key: each for key, each in wanted.items() if key not in results}
    progress(f"{data.name}: {len(pipelines)} candidates, {len(missing)} of {len(wanted)} folds to do")
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_judge)(key, pipelines[name], x, data.rul, splits[fold]) for key, (name, fold) in missing.items()
    )
    for count, (key, result) in enumerate(done, start=1):
        results[key] = result
        _replace(kept, json.dumps(results))
        name, fold = wanted[key]
        progress(f"{count} of {len(missing)}: {name}, fold {fold + 1}, {result['seconds']:.0f} s")
    table = _table({name: [results[f"{key}/{fold}"] for fold in range(FOLDS)] for name, key in keys.items()})
    (directory / f"search-{data.name.lower()}.md").write_text(table, encoding="utf-8")
    return table


def _judge(
    key: str,
    pipeline: Pipeline,
    x: FloatArray,
    rul: NDArray[np.int64],
    split: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> tuple[str, dict[str, Any]]:
    """What adds up over folds: the confusion matrix, squared errors, log loss."""
    start = time.monotonic()
    known, unknown = split
    fitted, probabilities, median = fit_and_predict(pipeline, x, rul, known, unknown)
    classes, cap = fitted[-1].classes, fitted[-1].cap
    labels = classes.of(rul[unknown])
    confusion = np.zeros((len(classes.names), len(classes.names)), dtype=np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    errors = np.square(median - np.minimum(rul[unknown], cap))
    worn = rul[unknown] <= _WORN
    likelihood = np.maximum(probabilities[np.arange(len(labels)), labels], 1e-6)
    return (
        key,
        {
            "confusion": confusion.tolist(),
            "squares": float(errors.sum()),
            "squares_worn": float(errors[worn].sum()),
            "worn": int(worn.sum()),
            "log_loss": float(-np.log(likelihood).sum()),
            "seconds": time.monotonic() - start,
        },
    )


def _table(results: dict[str, list[dict[str, Any]]]) -> str:
    lines = [
        "| candidate | accuracy | macro-F1 | log loss | RMSE, every cycle | RMSE, RUL <= 150 | seconds a fold |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, folds in results.items():
        confusion = np.sum([each["confusion"] for each in folds], axis=0)
        rows = confusion.sum()
        f1 = 2 * np.diag(confusion) / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
        total = {key: sum(each[key] for each in folds) for key in ("squares", "squares_worn", "worn", "log_loss")}
        figures = [
            f"{np.trace(confusion) / rows:.3f}",
            f"{f1.mean():.3f}",
            f"{total['log_loss'] / rows:.3f}",
            f"{np.sqrt(total['squares'] / rows):.2f}",
            f"{np.sqrt(total['squares_worn'] / max(1, total['worn'])):.2f}",
            f"{np.mean([each['seconds'] for each in folds]):.0f}",
        ]
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join([*lines, ""])


def _key(pipeline: Pipeline, data: Dataset) -> str:
    """Changes with any setting and with the data."""
    described = "\n".join(_settings(pipeline)) + data.sha256
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def _settings(estimator: Any) -> Iterator[str]:  # noqa: ANN401 - an estimator, or a setting of one
    if isinstance(estimator, tuple | list):
        for each in estimator:
            yield from _settings(each)
    elif hasattr(estimator, "get_params"):
        yield type(estimator).__name__
        for name, value in sorted(estimator.get_params(deep=False).items()):
            yield name
            yield from _settings(value)
    else:
        yield repr(estimator)


def _replace(path: Path, text: str) -> None:
    """Write a file so that an interruption leaves the old one or the new one, never half of it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _random_forest(task: Task) -> Pipeline:
    forest: dict[str, Any] = {"n_estimators": 100, "min_samples_leaf": 5, "random_state": 0}
    prognosis = Prognosis(
        (RandomForestClassifier(**forest),),
        (),
        (RandomForestRegressor(max_features=0.3, **forest),),
        classes=task.classes,
        cap=task.cap,
    )
    features = WindowFeatures((1,), (), task.cycle_column, task.setting_columns)
    return Pipeline([("features", features), ("prognosis", prognosis)])


def _linear(task: Task) -> Pipeline:
    prognosis = Prognosis(
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),),
        (),
        (make_pipeline(StandardScaler(), Ridge(alpha=100.0)),),
        classes=task.classes,
        cap=task.cap,
    )
    features = WindowFeatures(_NINE.means, _NINE.slopes, task.cycle_column, task.setting_columns)
    return Pipeline([("features", features), ("prognosis", prognosis)])
