"""`export`: make any scikit-learn model of single rows one that devices serve."""

from __future__ import annotations

import argparse
from pathlib import Path

from scoring.cli.console import note, say
from training.export.estimator import export_estimator, fields_of, load_estimator, read_rows
from training.output import require_place, write_whole


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="a joblib file; it can run code, so open only what you trust")
    parser.add_argument("--out", type=Path, help="the ONNX file to write; default: beside the model")
    parser.add_argument("--name", help="the model's name; default: the file's")
    parser.add_argument(
        "--fields", type=_names, default=(), metavar="A,B,C", help="its columns; default: those of its DataFrame"
    )
    parser.add_argument("--targets", type=_names, default=(), metavar="A,B", help="what a regressor predicts")
    parser.add_argument(
        "--sample", type=Path, help="CSV with a header, to compare graph and model on; default: made up"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    estimator = load_estimator(options.model, note)
    out = options.out or options.model.with_suffix(".onnx")
    require_place(out)
    fields = options.fields or fields_of(estimator)
    rows = None if options.sample is None else read_rows(options.sample, fields)
    exported = export_estimator(options.name or options.model.stem, estimator, fields, options.targets, rows)
    write_whole(out, exported.content)
    described, proof = exported.described, exported.proof
    for each in exported.warnings:
        note(f"warning: {each}")
    say(
        f"{out}: {len(exported.content) / 1e6:.2f} MB, {len(described.fields)} fields, {described.output} "
        f"{', '.join(described.names)}; {exported.unequal} of {exported.rows} rows have another answer in "
        f"scikit-learn; with {proof.windows} golden rows a device refuses {proof.refused} of {proof.changes} changes"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(","))
