"""The models that ship: one for each data set, and one for the fleet, with their cards."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from scoring.model.model import Model
from training.data.dataset import Dataset, joined, load_test, load_training
from training.estimators.recipe import Recipe
from training.estimators.shipped import FLEET_RECIPE
from training.evaluation.alerts import alerts
from training.evaluation.bootstrap import engine_intervals
from training.evaluation.figures import evaluate
from training.export.figures import cross_validation, plain
from training.export.model_file import build, stamped
from training.export.proof import prove
from training.export.verify import predict_by_graph, verify
from training.fitting.fit import Fitted, fit
from training.output import write_whole
from training.progress import Tell
from training.release.card import card, overview

SUBSETS = ("FD001", "FD002", "FD003", "FD004")
FLEET = "fleet"


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
        recipe = FLEET_RECIPE if data.name == FLEET else Recipe()
        content = shipped_model(data, judged, fit(recipe, data, progress, jobs))
        write_whole(out / f"{name}.onnx", content)
        models[name] = Model(content)
        write_whole(out / f"{name}.md", card(models[name], len(content)).encode())
        progress(f"{name}: {len(content) / 1e6:.2f} MB")
    write_whole(out / "README.md", overview(models).encode())
    return models


def shipped_model(data: Dataset, tests: list[Dataset], fitted: Fitted) -> bytes:
    """The ONNX file of a fitted model, with its figures on the test sets in its signature.

    Args:
        data: What the model was fitted on.
        tests: What its figures are of.
        fitted: What `fit` returned.
    """
    figures: dict[str, Any] = {"cross-validation": cross_validation(data, fitted)}
    graph = build(data.name.lower(), fitted, data)
    content = stamped(graph, {})
    draft, task = Model(content), data.task
    for test in tests:
        windows = test.windows()
        said = predict_by_graph(draft, windows)
        verification = verify(content, fitted.pipeline, windows)
        figures[f"test {test.name}"] = {
            **evaluate(said, test, task.classes, task.cap, draft.signature.curve).as_dict(),
            "interval_95": engine_intervals(said, test, task.classes, task.cap),
            "alerts": asdict(alerts(said.probabilities[:, 0], test, task.classes.edges[0], fitted.alert.threshold)),
            "graph": asdict(verification),
        }
    proof = prove(content)
    figures["proof"] = {"windows": proof.windows, "changes": proof.changes, "refused": proof.refused}
    return stamped(graph, plain(figures))
