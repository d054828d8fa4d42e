"""`fit`: train a model and export it as one ONNX file."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import joblib

from scoring.cli.console import note, number, say
from scoring.model.model import Model
from training.cli import data as engines
from training.cli.data import add_data, add_endings
from training.cli.figures import table
from training.data.dataset import Dataset
from training.data.doubts import doubts
from training.data.task import Task
from training.errors import DataError, OutputError, TrainingError
from training.estimators.recipe import Recipe
from training.evaluation.figures import evaluate
from training.evaluation.guarantee import ALPHA
from training.export.figures import cross_validation
from training.export.model_file import build, stamped
from training.export.verify import predict_by_graph, verify
from training.fitting.fit import fit
from training.fitting.search import recipes
from training.output import require_place, write_whole
from training.progress import told

_PIPELINE = ".joblib"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_data(parser)
    add_endings(parser)
    parser.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    parser.add_argument("--name", help="the model's name; default: the subset's, in small letters, or the task's")
    parser.add_argument(
        "--edges", type=float, nargs="+", metavar="CYCLES", help="upper edges of the RUL classes but the last"
    )
    parser.add_argument("--classes", nargs="+", metavar="NAME", help="the RUL classes, the shortest first")
    parser.add_argument("--candidate", default="default", metavar="NAME", help="a recipe by its name in `search`")
    parser.add_argument("--cap", type=number(float, 1, 1e9), help="where RUL is cut, in cycles; default: the task's")
    parser.add_argument(
        "--alpha",
        type=number(float, 1e-6, 1),
        metavar="SHARE",
        help="the share of an engine's due cycles that the alert may miss; default: "
        f"{ALPHA}, or the least that so few engines can show",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.out.suffix == _PIPELINE:
        raise OutputError(f"{options.out} is what the pipeline is called that lies beside the model; call it .onnx")
    require_place(options.out)
    recipe = _recipe(options.candidate, engines.task_of(options))
    given, test = engines.with_endings(options, engines.training(options)), _test(options)
    for told_of in engines.unfailed(given):
        note(f"warning: {told_of}")
    data = given.of(given.failed)
    words = data.task.words
    note(f"{data.name}: {data.trajectories.engines} {words.machines}, {len(data.rul)} {words.step}s")
    for doubt in doubts(data):
        note(f"warning: {doubt}")
    with told() as tell:
        fitted = fit(recipe, given, tell, alpha=options.alpha)
    if options.alpha is None and fitted.alert.alpha > ALPHA:
        note(
            f"warning: so few {words.machines} that failed can keep the share that the alert misses at "
            f"{fitted.alert.alpha:.2g}, not at {ALPHA}"
        )
    own = data.task.name if options.readings else options.subset.lower()
    graph = build(options.name or own, fitted, data)
    figures = {"cross-validation": cross_validation(data, fitted)}
    shown = {"cross-validation": fitted.figures}
    checked = data.windows()
    if test is not None:
        note(f"evaluating on the test {words.machines}")
        checked = test.windows()
        draft = Model(stamped(graph, {}))
        said = predict_by_graph(draft, checked)
        shown["test"] = evaluate(said, test, data.task.classes, data.task.cap, draft.signature.curve)
        figures["test"] = shown["test"].as_dict()
    content = stamped(graph, figures)
    verification = verify(content, fitted.pipeline, checked)
    pipeline = io.BytesIO()
    joblib.dump(fitted.pipeline, pipeline)
    # The model comes last: where it is, all is there.
    write_whole(options.out.with_suffix(_PIPELINE), pipeline.getvalue())
    write_whole(options.out, content)
    say(table(shown, words))
    say(
        f"{options.out}: {len(content) / 1e6:.2f} MB; graph against scikit-learn on {verification.windows} windows: "
        f"probabilities within {verification.probability:.1e}, RUL within {verification.rul:.1e} {words.unit}, "
        f"{verification.labels} labels differ"
    )


def _recipe(name: str, task: Task) -> Recipe:
    known = recipes(task)
    if name not in known:
        raise TrainingError(f"there is no candidate {name!r}; `search` compares {', '.join(known)}")
    return known[name]


def _test(options: argparse.Namespace) -> Dataset | None:
    try:
        return engines.test(options)
    except DataError as error:
        note(f"no test figures: {error}")
        return None
