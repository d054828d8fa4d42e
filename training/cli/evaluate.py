"""`evaluate`: score the test engines and compare with the truth."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from scoring.cli.console import say
from scoring.model.model import Model
from training.cli import data as engines
from training.cli.data import add_data, add_endings
from training.cli.figures import table
from training.data.labels import Classes
from training.evaluation.figures import evaluate
from training.export.verify import predict_by_graph


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="an ONNX file that `fit` wrote")
    add_data(parser)
    add_endings(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    model = Model.load(options.model)
    signature = model.signature
    test = engines.judged(options)
    said = predict_by_graph(model, test.windows())
    classes = Classes(signature.classes, signature.edges)
    figures = evaluate(said, test, classes, signature.rul_cap or float(test.rul.max()), signature.curve)
    if options.json:
        say(json.dumps({"model": signature.name, "data": options.subset, **figures.as_dict()}, indent=2))
    else:
        say(table({f"test {options.subset}": figures}, test.task.words))
