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

from training.data.dataset import Dataset
from training.data.task import Task
from training.data.windows import FloatArray
from training.estimators.features import WindowFeatures
from training.estimators.prognosis import Prognosis
from training.estimators.recipe import NETWORKS, TREES, Recipe
from training.estimators.views import View
from training.fitting.fit import fit_and_predict
from training.output import write_whole
from training.progress import Tell

FOLDS = 4

_NINE = View(means=(1, 5, 10, 20, 30, 50), slopes=(15, 30, 50))
_WORN = 1.2
"""Rows with at most this RUL, as a share of the cap, are judged apart: healthier ones are all alike."""


def recipes(task: Task) -> dict[str, Recipe]:
    """The recipes that are compared for a task, by name; `fit --candidate NAME` makes a model of each.

    Those for which a task's window is too short to tell them from an earlier one are left out.
    """
    tree, network = Recipe(boosted=1, boosted_graders=1, networks=0), Recipe(boosted=0, networks=1)
    single = replace(network, tree_view=NETWORKS[0], views=(NETWORKS[0],))
    found = {
        "default": Recipe(),
        "boosting-nine-filters": replace(tree, tree_view=_NINE, views=(_NINE,)),
        "boosting-six-filters": replace(tree, views=(TREES,)),
        "boosting-31-leaves": replace(tree, views=(TREES,), leaves=31),
        "network-nine-filters": replace(network, tree_view=_NINE, views=(_NINE,)),
        "network-six-filters": replace(network, views=(TREES,)),
        "network-first-view": single,
        "network-second-view": replace(network, tree_view=NETWORKS[1], views=(NETWORKS[1],)),
        "network-third-view": replace(network, tree_view=NETWORKS[2], views=(NETWORKS[2],)),
        "network-light-decay": replace(single, grader_decay=0.75, regressor_decay=0.05),
        "network-heavy-decay": replace(single, grader_decay=12.0, regressor_decay=0.8),
        "network-half-the-epochs": replace(single, epochs=10),
        "network-two-layers": replace(single, layers=(64, 32)),
    }
    different: dict[Recipe, str] = {}
    for name, recipe in found.items():
        different.setdefault(recipe.scaled(task.window), name)
    return {name: found[name] for name in different.values()}


def baselines(task: Task) -> dict[str, Pipeline]:
    """Pipelines to compare recipes with, by name, none fitted; no recipe makes them."""
    coarse = Recipe().pipeline_for_whole_windows(task)
    coarse.set_params(prognosis__shares=())
    return {
        "one raw row, random forest": _random_forest(task),
        "nine filters, linear": _linear(task),
        "default, but networks of the classes, not of grades": coarse,
    }


def search(data: Dataset, directory: Path, progress: Tell, jobs: int) -> str:
    """Judge every candidate that has not been judged yet, and write the table.

    Each fold's result is kept as it comes, in search-<data>.json, so that a search that was interrupted goes on where
    it was. A candidate whose settings have changed is judged anew.

    Args:
        data: Engines that ran to failure.
        directory: Where results are kept, and the table search-<data>.md is written.
        progress: Is told what has been done.
        jobs: How many processes work at once.

    Returns:
        The table, in Markdown, the best candidate first.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / f"search-{data.name.lower()}.json"
    results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    fitted = {name: recipe.pipeline_for_whole_windows(data.task) for name, recipe in recipes(data.task).items()}
    pipelines = fitted | baselines(data.task)
    keys = {name: _key(pipeline, data) for name, pipeline in pipelines.items()}
    x = data.windows()
    splits = list(GroupKFold(FOLDS, shuffle=True, random_state=1).split(x, groups=data.trajectories.units))
    wanted = {f"{keys[name]}/{fold}": (name, fold) for name in pipelines for fold in range(FOLDS)}
    missing = {key: each for key, each in wanted.items() if key not in results}
    progress(f"{data.name}: {len(pipelines)} candidates, {len(missing)} of {len(wanted)} folds to do", 0, len(missing))
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_judge)(key, pipelines[name], x, data.rul, splits[fold]) for key, (name, fold) in missing.items()
    )
    for count, (key, result) in enumerate(done, start=1):
        results[key] = result
        write_whole(kept, json.dumps(results).encode())
        name, fold = wanted[key]
        progress(f"{count} of {len(missing)}: {name}, fold {fold + 1}, {result['seconds']:.0f} s", count, len(missing))
    judged = {name: _figures([results[f"{key}/{fold}"] for fold in range(FOLDS)]) for name, key in keys.items()}
    table = _table(judged, set(fitted), data.task)
    write_whole(directory / f"search-{data.name.lower()}.md", table.encode())
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
    fitted, chances, median = fit_and_predict(pipeline, x, rul, known, unknown)
    classes, cap = fitted[-1].classes, fitted[-1].cap
    probabilities = chances @ fitted[-1].grades_.places(classes)
    labels = classes.of(rul[unknown])
    confusion = np.zeros((len(classes.names), len(classes.names)), dtype=np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(axis=1)), 1)
    errors = np.square(median - np.minimum(rul[unknown], cap))
    worn = rul[unknown] <= _WORN * cap
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


def _figures(folds: list[dict[str, Any]]) -> dict[str, float]:
    """A candidate's figures over all folds, by the titles that the table has for them."""
    confusion = np.sum([each["confusion"] for each in folds], axis=0)
    rows = confusion.sum()
    f1 = 2 * np.diag(confusion) / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    total = {key: sum(each[key] for each in folds) for key in ("squares", "squares_worn", "worn", "log_loss")}
    return {
        "accuracy": float(np.trace(confusion) / rows),
        "macro-F1": float(f1.mean()),
        "log loss": total["log_loss"] / rows,
        "RMSE": float(np.sqrt(total["squares"] / rows)),
        "worn": float(np.sqrt(total["squares_worn"] / max(1, total["worn"]))),
        "seconds": float(np.mean([each["seconds"] for each in folds])),
    }


def _table(judged: dict[str, dict[str, float]], recipes_of: set[str], task: Task) -> str:
    """The candidates, the least log loss first; the best that a recipe makes is marked, with how to fit it."""
    order = sorted(judged, key=lambda name: judged[name]["log loss"])
    best = next(name for name in order if name in recipes_of)
    words = task.words
    lines = [
        f"| candidate | accuracy | macro-F1 | log loss | RMSE, every {words.step} | "
        f"RMSE, RUL <= {_WORN * task.cap:g} {words.unit} | seconds a fold |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in order:
        figures = judged[name]
        shown = [f"{figures[title]:.3f}" for title in ("accuracy", "macro-F1", "log loss")]
        shown += [f"{figures['RMSE']:.2f}", f"{figures['worn']:.2f}", f"{figures['seconds']:.0f}"]
        told = f"**{name}**" if name == best else name if name in recipes_of else f"{name} (to compare with)"
        lines.append(f"| {told} | {' | '.join(shown)} |")
    told = "the best by log loss, which every probability moves"
    return "\n".join(
        [*lines, "", f"{best} is {told}: `python -m training fit --candidate {best} ...` makes a model of it.", ""]
    )


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


def _random_forest(task: Task) -> Pipeline:
    forest: dict[str, Any] = {"n_estimators": 100, "min_samples_leaf": 5, "random_state": 0}
    prognosis = Prognosis(
        (RandomForestClassifier(**forest),),
        (RandomForestRegressor(max_features=0.3, **forest),),
        classes=task.classes,
        cap=task.cap,
    )
    features = WindowFeatures((1,), (), task.cycle_column, task.setting_columns, counts_age=task.counts_age)
    return Pipeline([("features", features), ("prognosis", prognosis)])


def _linear(task: Task) -> Pipeline:
    prognosis = Prognosis(
        (make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),),
        (make_pipeline(StandardScaler(), Ridge(alpha=100.0)),),
        classes=task.classes,
        cap=task.cap,
    )
    features = WindowFeatures(
        _NINE.means, _NINE.slopes, task.cycle_column, task.setting_columns, counts_age=task.counts_age
    )
    return Pipeline([("features", features), ("prognosis", prognosis)])
