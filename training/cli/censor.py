"""`censor`: make a set in which some engines have not failed of one in which all have."""

from __future__ import annotations

import argparse
import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np

from scoring.cli.console import number, say
from scoring.wire.cmapss import write_trajectories
from training.cli import data as engines
from training.cli.data import UNIT, add_data
from training.data.censoring import IntArray, Scheme, censored, kept_cycles
from training.data.dataset import Dataset
from training.data.endings import ENDED, write_endings
from training.errors import DataError, OutputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_data(parser)
    parser.add_argument(
        "--share", type=number(float, 0, 0.99), default=0.5, help="of the engines, how many have not failed on record"
    )
    parser.add_argument(
        "--scheme",
        type=Scheme,
        choices=list(Scheme),
        default=Scheme.RANDOM,
        help="why records end: each at a moment of its own, or all on one day",
    )
    parser.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=0, help="another one cuts other engines")
    parser.add_argument("--out", type=Path, required=True, help="directory; the test set is copied to it")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if options.out.resolve() == options.data.resolve():
        raise OutputError(f"{options.out} is where the whole set is; give another directory by --out")
    data = engines.training(options)
    if not data.failed.all():
        raise DataError(f"not all {data.task.words.machines} of {data.name} have failed; cut a set that ran to failure")
    lives = data.trajectories.ends
    kept = kept_cycles(lives, options.share, options.scheme, np.random.default_rng(options.seed))
    cut = censored(data, kept)
    options.out.mkdir(parents=True, exist_ok=True)
    words, ended = data.task.words, Counter(cut.endings)
    if options.task is None:
        written = options.out / f"train_{options.subset}.txt"
        write_trajectories(written, cut.trajectories)
        endings = options.out / f"ended_{options.subset}.csv"
        write_endings(endings, UNIT, ((str(unit), each) for unit, each in enumerate(cut.endings, start=1)))
        also = f" --ended {endings}"
    else:
        written = options.out / f"train_{options.subset}.csv"
        _write_table(options.data / written.name, written, cut, kept)
        also = ""
    tests = [path for path in options.data.glob(f"*_{options.subset}.*") if path.name.startswith(("test_", "RUL_"))]
    for path in tests:
        shutil.copyfile(path, options.out / path.name)
    told = ", ".join(f"{count} {each}" for each, count in sorted(ended.items()))
    say(f"{written}: {len(lives)} {words.machines}, {told}; {len(cut.rul):,} of {len(data.rul):,} {words.step}s")
    task = f" --task {options.task}" if options.task else ""
    say(f"next: python -m training fit --data {options.out} --subset {options.subset}{task}{also} --out model.onnx")


def _write_table(whole: Path, path: Path, cut: Dataset, kept: IntArray) -> None:
    """Write the rows of a table that are on record, as they stand there, and how each machine ended on its last one."""
    header, *rows = csv.reader(whole.read_text(encoding="utf-8-sig").splitlines())
    shown = [column for column, name in enumerate(header) if name != ENDED]
    machine, counted = header.index(cut.task.machine), header.index(cut.task.cycle)
    of_machine = dict(zip(cut.names, zip(kept.tolist(), cut.endings, strict=True), strict=True))
    first: dict[str, float] = {}
    on_record: dict[str, list[list[str]]] = {}
    for row in rows:
        cycle = float(row[counted])
        if cycle - first.setdefault(row[machine], cycle) < of_machine[row[machine]][0]:
            on_record.setdefault(row[machine], []).append([row[column] for column in shown])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(header[column] for column in shown), ENDED])
        for name, kept_rows in on_record.items():
            writer.writerows([*row, ""] for row in kept_rows[:-1])
            writer.writerow([*kept_rows[-1], of_machine[name][1]])
