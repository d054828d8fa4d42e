"""`benchmark`: any model, or anybody's predictions, on the four test sets of C-MAPSS, by the same protocol."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from scoring.cli.console import note, say
from scoring.model.model import Model
from scoring.model.outputs import Outputs
from training.cli.data import add_directory
from training.data.dataset import Dataset, load_test
from training.data.predictions import load_predictions
from training.data.task import CMAPSS
from training.errors import DataError
from training.evaluation.benchmark import SETS, Measure, Said, disturbed, judged
from training.export.verify import predict_by_graph

_NAME = 25


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", nargs="?", type=Path, help="an ONNX file that a device would serve")
    parser.add_argument(
        "--predictions",
        nargs="+",
        type=_named,
        default=[],
        metavar="SET=FILE",
        help="in place of a model: CSV tables as `batch` writes them, such as FD001=fd001.csv",
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="default: all four")
    add_directory(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    tables = dict(options.predictions)
    if (options.model is None) == (not tables):
        raise DataError("give either a model or --predictions, and not both")
    model = None if options.model is None else _model(options.model)
    found: dict[str, dict[str, Measure]] = {}
    for name in tables or options.sets:
        note(f"{name}: judging")
        data = load_test(options.data, name)
        if model is None:
            outputs, has_interval = load_predictions(tables[name], data)
            found[name] = judged(Said(outputs, None, has_interval), data)
        else:
            found[name] = _of(model, data)
    if options.json:
        say(json.dumps({name: {key: asdict(each) for key, each in of.items()} for name, of in found.items()}, indent=2))
    else:
        say(table(found))


def table(found: dict[str, dict[str, Measure]]) -> str:
    """A column for each set, a line for each measure with its interval below it; 79 characters for four sets."""
    names = list(dict.fromkeys(key for of in found.values() for key in of))
    lines = [f"{'':{_NAME}}" + "".join(f"{name:>13}" for name in found)]
    for name in names:
        measures = [of.get(name) for of in found.values()]
        changes = "," in name and not name.startswith(("RMSE, last", "NASA"))
        lines.append(f"{name:{_NAME}}" + "".join(f"{_told(each, signed=changes):>13}" for each in measures))
        if any(each and each.low is not None for each in measures):
            lines.append(f"{'':{_NAME}}" + "".join(f"{_ends(each):>13}" for each in measures))
    return "\n".join(lines)


def _of(model: Model, data: Dataset) -> dict[str, Measure]:
    def ask(windows: np.ndarray) -> Outputs:
        said = predict_by_graph(model, windows)
        middle = said.middle if said.middle.shape[1] else said.rul[:, 1:2]
        return replace(said, middle=middle)

    said = Said(ask(data.windows()), model.signature.curve, has_interval=True)
    return judged(said, data) | disturbed(ask, data)


def _model(path: Path) -> Model:
    model = Model.load(path)
    signature = model.signature
    fields = tuple(each.name for each in CMAPSS.fields)
    if signature.field_names != fields or signature.window != CMAPSS.window or not signature.interval:
        raise DataError(
            f"{path} is no model of the benchmark's telemetry: it takes windows of {CMAPSS.window} messages with "
            f"{len(fields)} fields and says a RUL; give what it predicts by --predictions"
        )
    if signature.classes != CMAPSS.classes.names:
        raise DataError(
            f"{path} has the classes {', '.join(signature.classes)}, expected {', '.join(CMAPSS.classes.names)}"
        )
    return model


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in SETS or not path:
        raise argparse.ArgumentTypeError(f"{text!r}, expected SET=FILE with one of {', '.join(SETS)}")
    return name, Path(path)


def _told(measure: Measure | None, *, signed: bool) -> str:
    return "-" if measure is None else _number(measure.value, "+" if signed else "")


def _ends(measure: Measure | None) -> str:
    if measure is None or measure.low is None or measure.high is None:
        return ""
    return f"{_number(measure.low)}-{_number(measure.high)}"


def _number(value: float, sign: str = "") -> str:
    if abs(value) < 1:
        return f"{value:{sign}.3f}".replace("0.", ".", 1)
    return f"{value:{sign}.1f}" if abs(value) < 100 else f"{value:{sign},.0f}"
