"""Command line: `python -m training fit | evaluate | search | report | models | export | fetch`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import joblib

from scoring.console import note, say
from scoring.errors import ScoringError
from scoring.model import Model
from training.card import overview
from training.dataset import Dataset, default_directory, load_test, load_training
from training.decision import Costs
from training.errors import DataError, TrainingError
from training.estimator import export_estimator, fields_of, load_estimator, read_rows
from training.evaluation import Figures, evaluate
from training.export import export, predict_by_graph, verify
from training.fetch import URL, fetch
from training.fitting import fit
from training.labels import Classes
from training.recipe import Recipe
from training.report import report
from training.search import search
from training.shipping import cross_validation, ship
from training.table import load_table
from training.task import CMAPSS, Task, read_task


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why."""
    options = _parser().parse_args(arguments)
    # Whoever ends a long search or fit by SIGTERM wants what Ctrl-C does: results kept, no process left behind.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options.command(options)
    except KeyboardInterrupt:
        note("stopped")
        return 130
    except (TrainingError, ScoringError, OSError) as error:
        note(f"error: {error}")
        return 2
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fitting = commands.add_parser("fit", help="train a model and export it as one ONNX file")
    _add_data(fitting)
    fitting.add_argument("--out", type=Path, required=True, help="the ONNX file to write")
    fitting.add_argument("--name", help="the model's name; default: the subset's, in small letters")
    fitting.add_argument(
        "--edges", type=float, nargs="+", metavar="CYCLES", help="upper edges of the RUL classes but the last"
    )
    fitting.add_argument("--classes", nargs="+", metavar="NAME", help="the RUL classes, the shortest first")
    fitting.add_argument("--cap", type=float, help="where RUL is cut, in cycles")
    fitting.set_defaults(command=_fit)

    evaluation = commands.add_parser("evaluate", help="score the test engines and compare with the truth")
    evaluation.add_argument("model", type=Path, help="an ONNX file that `fit` wrote")
    _add_data(evaluation)
    evaluation.add_argument("--json", action="store_true", help="print JSON")
    evaluation.set_defaults(command=_evaluate)

    reporting = commands.add_parser("report", help="draw how good a model is, as one HTML file")
    reporting.add_argument("model", type=Path, help="an ONNX file that `fit` wrote")
    _add_data(reporting)
    reporting.add_argument("--out", type=Path, default=Path("out/report"), help="directory; default: out/report")
    reporting.add_argument(
        "--beside",
        type=Path,
        help="directory of other engines, such as simulated ones, whose sensors are shown beside these",
    )
    usual = Costs()
    reporting.add_argument(
        "--failure-cost", type=float, default=usual.failure, help=f"of a failure in service; default: {usual.failure:g}"
    )
    reporting.add_argument(
        "--removal-cost", type=float, default=usual.removal, help=f"of a removal in time; default: {usual.removal:g}"
    )
    reporting.set_defaults(command=_report)

    shipping = commands.add_parser("models", help="make the models that ship, with their cards")
    shipping.add_argument(
        "--data",
        type=Path,
        default=default_directory(),
        help="directory of the C-MAPSS files; default: CMAPSS_DIR, else data/cmapss",
    )
    shipping.add_argument("--out", type=Path, default=Path("models"), help="directory; default: models")
    shipping.add_argument("--jobs", type=int, default=2, help="processes that work at once; default: 2")
    shipping.set_defaults(command=_models)

    searching = commands.add_parser("search", help="compare model families and settings by cross-validation")
    _add_data(searching)
    searching.add_argument("--out", type=Path, default=Path("out/search"), help="directory; default: out/search")
    searching.add_argument("--jobs", type=int, default=2, help="processes that work at once; default: 2")
    searching.set_defaults(command=_search)

    exporting = commands.add_parser("export", help="make any scikit-learn model of single rows one that devices serve")
    exporting.add_argument("model", type=Path, help="a joblib file; it can run code, so open only what you trust")
    exporting.add_argument("--out", type=Path, help="the ONNX file to write; default: beside the model")
    exporting.add_argument("--name", help="the model's name; default: the file's")
    exporting.add_argument(
        "--fields", type=_names, default=(), metavar="A,B,C", help="its columns; default: those of its DataFrame"
    )
    exporting.add_argument("--targets", type=_names, default=(), metavar="A,B", help="what a regressor predicts")
    exporting.add_argument(
        "--sample", type=Path, help="CSV with a header, to compare graph and model on; default: made up"
    )
    exporting.set_defaults(command=_export)

    fetching = commands.add_parser("fetch", help="bring NASA's C-MAPSS data")
    fetching.add_argument("--url", default=URL, help="of the zip")
    fetching.add_argument("--out", type=Path, default=Path("data/cmapss"), help="default: data/cmapss")
    fetching.set_defaults(command=_fetch)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        default=default_directory(),
        help="directory of the C-MAPSS files; default: CMAPSS_DIR, else data/cmapss",
    )
    parser.add_argument("--subset", default="FD003", help="such as FD003, the default")
    parser.add_argument(
        "--task",
        type=Path,
        help="TOML description of another machine, whose telemetry is train_<subset>.csv and test_<subset>.csv",
    )


def _task(options: argparse.Namespace) -> Task:
    """The task, with classes and cap as the command line has them."""
    task, asked = CMAPSS if options.task is None else read_task(options.task), vars(options)
    classes = Classes(
        tuple(asked.get("classes") or task.classes.names), tuple(asked.get("edges") or task.classes.edges)
    )
    return replace(task, classes=classes, cap=asked.get("cap") or task.cap)


def _training(options: argparse.Namespace) -> Dataset:
    task = _task(options)
    if options.task is None:
        return replace(load_training(options.data, options.subset), task=task)
    return load_table(options.data / f"train_{options.subset}.csv", task)


def _test(options: argparse.Namespace) -> Dataset:
    task = _task(options)
    if options.task is None:
        return replace(load_test(options.data, options.subset), task=task)
    return load_table(options.data / f"test_{options.subset}.csv", task)


def _fit(options: argparse.Namespace) -> None:
    data = _training(options)
    recipe = data.task.recipe(Recipe())
    note(f"{data.name}: {data.trajectories.engines} engines, {len(data.rul)} cycles")
    fitted = fit(recipe, data, note)
    figures = {"cross-validation": cross_validation(recipe, data, fitted)}
    shown = {"cross-validation": fitted.figures}
    checked = data.windows()
    try:
        test = _test(options)
    except DataError as error:
        note(f"no test figures: {error}")
    else:
        note("evaluating on the test engines")
        checked = test.windows()
        draft = Model(export("draft", fitted, data, {}))
        shown["test"] = evaluate(*predict_by_graph(draft, checked), test, recipe.classes, recipe.cap)
        figures["test"] = shown["test"].as_dict()
    content = export(options.name or options.subset.lower(), fitted, data, figures)
    verification = verify(content, fitted.pipeline, checked)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(content)
    joblib.dump(fitted.pipeline, options.out.with_suffix(".joblib"))
    say(_table(shown))
    say(
        f"{options.out}: {len(content) / 1e6:.2f} MB; graph against scikit-learn on {verification.windows} windows: "
        f"probabilities within {verification.probability:.1e}, RUL within {verification.rul:.1e} cycles, "
        f"{verification.labels} labels differ"
    )


def _evaluate(options: argparse.Namespace) -> None:
    model = Model.load(options.model)
    signature = model.signature
    test = _test(options)
    figures = evaluate(
        *predict_by_graph(model, test.windows()),
        test,
        Classes(signature.classes, signature.edges),
        signature.rul_cap or float("inf"),
    )
    if options.json:
        say(json.dumps({"model": signature.name, "data": options.subset, **figures.as_dict()}, indent=2))
    else:
        say(_table({f"test {options.subset}": figures}))


def _report(options: argparse.Namespace) -> None:
    costs = Costs(options.failure_cost, options.removal_cost)
    content = _read(options.model)
    beside = None
    if options.beside is not None:
        others = argparse.Namespace(**{**vars(options), "data": options.beside})
        beside = (_training(options), _training(others))
    report(content, _test(options), options.out, note, beside, costs)
    say(f"{options.out / 'report.html'}, with its drawings and figures.json beside it")


def _models(options: argparse.Namespace) -> None:
    models = ship(options.data, options.out, note, options.jobs)
    say(overview(models))


def _search(options: argparse.Namespace) -> None:
    say(search(_training(options), options.out, note, options.jobs))


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(","))


def _export(options: argparse.Namespace) -> None:
    estimator = load_estimator(options.model, note)
    out = options.out or options.model.with_suffix(".onnx")
    fields = options.fields or fields_of(estimator)
    rows = None if options.sample is None else read_rows(options.sample, fields)
    exported = export_estimator(options.name or options.model.stem, estimator, fields, options.targets, rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(exported.content)
    described, proof = exported.described, exported.proof
    for each in exported.warnings:
        note(f"warning: {each}")
    say(
        f"{out}: {len(exported.content) / 1e6:.2f} MB, {len(described.fields)} fields, {described.output} "
        f"{', '.join(described.names)}; {exported.unequal} of {exported.rows} rows have another answer in "
        f"scikit-learn; with {proof.windows} golden rows a device refuses {proof.refused} of {proof.changes} changes"
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"model {path} cannot be read: {error.strerror}; make it by `python -m training fit`"
        ) from error


def _fetch(options: argparse.Namespace) -> None:
    def progress(have: int, total: int | None) -> None:
        of = f" of {total / 1e6:.1f}" if total else ""
        note(f"{have / 1e6:.1f}{of} MB", passing=True)

    paths = fetch(options.out, options.url, progress)
    say(f"{len(paths)} files in {options.out}, all with the right sums")


def _table(figures: dict[str, Figures]) -> str:
    measures: list[tuple[str, str, str]] = [
        ("rows", "rows", "{:,}"),
        ("engines", "engines", "{:,}"),
        ("accuracy", "accuracy", "{:.3f}"),
        ("macro-F1", "macro_f1", "{:.3f}"),
        ("RMSE, every cycle", "rmse", "{:.2f}"),
        ("RMSE, last cycle", "rmse_last", "{:.2f}"),
        ("NASA score, last cycle", "nasa_score_last", "{:.0f}"),
        ("calibration error", "calibration_error", "{:.3f}"),
        ("coverage of low..high", "coverage", "{:.3f}"),
    ]
    lines = [f"{'':24}" + "".join(f"{name:>18}" for name in figures)]
    for title, measure, form in measures:
        values = [getattr(each, measure) for each in figures.values()]
        lines.append(f"{title:24}" + "".join(f"{'-' if value is None else form.format(value):>18}" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
