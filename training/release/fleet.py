"""The models that ship: one for each data set, and one for the fleet, with their cards."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from scoring.model.model import Model
from training.data.dataset import Dataset, joined, load_test, load_training
from training.estimators.recipe import Recipe
from training.evaluation.alerts import alerts, rules
from training.evaluation.bootstrap import engine_intervals
from training.evaluation.figures import evaluate
from training.export.model_file import export, predict_by_graph, verify
from training.export.proof import prove
from training.fitting.fit import Fitted, fit
from training.output import write_whole
from training.progress import Tell
from training.release.card import card, overview

SUBSETS = ("FD001", "FD002", "FD003", "FD004")
FLEET = "fleet"

SHIPPED = Recipe(boosted=2, networks=6)
"""The default recipe with more members (docs/model.md has what cross-validation says of it)."""

SHIPPED_FLEET = replace(SHIPPED, classifier_rounds=80, regressor_leaves=31, regressor_decay=0.1, batch=512)
"""For four times the rows: larger trees, and larger batches."""


def ship(directory: Path, out: Path, progress: Tell, jobs: int) -> dict[str, Model]:
    """Fit, export and describe every model that ships.

    Args:
        directory: Of the C-MAPSS files.
        out: Where the models and their cards go.
        progress: Is told what is being done.
        jobs: How many processes work at once.

    Returns:
        The models by name, as a device loads them.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts = [load_training(directory, subset) for subset in SUBSETS]
    tests = [load_test(directory, subset) for subset in SUBSETS]
    models = {}
    for data, judged in [(part, [test]) for part, test in zip(parts, tests, strict=True)] + [
        (joined(FLEET, parts), tests)
    ]:
        name = data.name.lower()
        recipe = SHIPPED_FLEET if data.name == FLEET else SHIPPED
        content = shipped_model(recipe, data, judged, fit(recipe, data, progress, jobs))
        write_whole(out / f"{name}.onnx", content)
        models[name] = Model(content)
        write_whole(out / f"{name}.md", card(models[name], len(content)).encode())
        progress(f"{name}: {len(content) / 1e6:.2f} MB")
    write_whole(out / "README.md", overview(models).encode())
    return models


def shipped_model(recipe: Recipe, data: Dataset, tests: list[Dataset], fitted: Fitted) -> bytes:
    """The ONNX file of a fitted model, with its figures on the test sets in its signature."""
    figures: dict[str, Any] = {"cross-validation": cross_validation(recipe, data, fitted)}
    content = export("draft", fitted, data, {})
    draft = Model(content)
    for test in tests:
        windows = test.windows()
        probabilities, intervals = predict_by_graph(draft, windows)
        verification = verify(content, fitted.pipeline, windows)
        figures[f"test {test.name}"] = {
            **evaluate(probabilities, intervals, test, recipe.classes, recipe.cap).as_dict(),
            "interval_95": engine_intervals(probabilities, intervals, test, recipe.classes, recipe.cap),
            "alerts": asdict(alerts(probabilities[:, 0], test, recipe.classes.edges[0], fitted.alert)),
            "graph": asdict(verification),
        }
    proof = prove(content)
    figures["proof"] = {"windows": proof.windows, "changes": proof.changes, "refused": proof.refused}
    return export(data.name.lower(), fitted, data, _plain(figures))


def cross_validation(recipe: Recipe, data: Dataset, fitted: Fitted) -> dict[str, Any]:
    """What cross-validation says of a fitted model, for its signature: figures, alerts, rules for removing engines."""
    soon = fitted.probabilities[:, 0]
    figures: dict[str, Any] = _plain(
        {
            **fitted.figures.as_dict(),
            "torn": fitted.torn,
            "alerts": asdict(alerts(soon, data, recipe.classes.edges[0], fitted.alert)),
            "rules": [asdict(each) for each in rules(soon, data)],
        }
    )
    return figures


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever figures hold
    """Figures as JSON has them, rounded to 4 significant digits behind the point."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.3g}") if abs(value) < 1e-3 else float(np.round(value, 4))
    return value
