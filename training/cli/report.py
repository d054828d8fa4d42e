"""`report`: draw how good a model is, as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from scoring.cli.console import say
from training.cli import data as engines
from training.cli.data import add_data, add_endings, read_model
from training.evaluation.removal import Costs
from training.progress import told
from training.report.page import write_report


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="an ONNX file that `fit` wrote")
    add_data(parser)
    add_endings(parser)
    parser.add_argument("--out", type=Path, default=Path("out/report"), help="directory; default: out/report")
    parser.add_argument(
        "--beside",
        type=Path,
        help="directory of other engines, such as simulated ones, whose sensors are shown beside these",
    )
    usual = Costs()
    parser.add_argument(
        "--failure-cost", type=float, default=usual.failure, help=f"of a failure in service; default: {usual.failure:g}"
    )
    parser.add_argument(
        "--removal-cost", type=float, default=usual.removal, help=f"of a removal in time; default: {usual.removal:g}"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    costs = Costs(options.failure_cost, options.removal_cost)
    content = read_model(options.model)
    beside = None
    if options.beside is not None:
        others = argparse.Namespace(**{**vars(options), "data": options.beside})
        beside = (engines.training(options), engines.training(others))
    test = engines.judged(options)
    with told() as tell:
        write_report(content, test, options.out, tell, beside, costs)
    say(f"{options.out / 'report.html'}, with its drawings and figures.json beside it")
