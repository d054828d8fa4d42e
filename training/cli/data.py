"""What commands have in common: which engines they are about."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from training.data.csv_table import load_table
from training.data.dataset import Dataset, default_directory, load_test, load_training
from training.data.endings import ENDED, WAYS, Ending, endings_of, read_endings
from training.data.labels import Classes
from training.data.task import CMAPSS, Task, read_task
from training.errors import DataError

UNIT = "unit"
"""What the first column of a file of endings is called where engines have numbers alone."""


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which engines."""
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


def add_endings(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the engines of training ended."""
    parser.add_argument(
        "--ended",
        type=Path,
        metavar="FILE",
        help=f"CSV table of each machine and how it ended, in a column {ENDED}: {', '.join(Ending)}",
    )
    parser.add_argument(
        "--run-to-failure",
        action="store_true",
        help="each machine ran until it failed; the sets of C-MAPSS did",
    )


def training(options: argparse.Namespace) -> Dataset:
    """The engines that are trained on."""
    task = task_of(options)
    if options.task is None:
        return replace(load_training(options.data, options.subset), task=task)
    return load_table(options.data / f"train_{options.subset}.csv", task)


def with_endings(options: argparse.Namespace, data: Dataset) -> Dataset:
    """Engines that are trained on, once it is said how each of them ended.

    Raises:
        DataError: Nothing says it, two things do, or none of them failed.
    """
    task, machines = data.task, data.task.words.machines
    if options.ended is not None:
        if options.run_to_failure or data.endings:
            raise DataError(f"{options.ended} says how {machines} ended, and so does another; give one of {WAYS}")
        names = data.names or tuple(map(str, range(1, data.trajectories.engines + 1)))
        found = endings_of(read_endings(options.ended, task.machine or UNIT), names, options.ended)
        data = replace(data, endings=found)
    elif options.run_to_failure and data.endings:
        raise DataError(f"the table says how its {machines} ended, and so does --run-to-failure; give one of {WAYS}")
    elif options.task is not None and not options.run_to_failure and not data.endings:
        raise DataError(
            f"nothing says how the {machines} of train_{options.subset}.csv ended, and a last row is a failure only "
            f"where it was one; give {WAYS} ({', '.join(Ending)})"
        )
    if not data.failed.any():
        raise DataError(
            f"none of the {len(data.endings)} {machines} has failed: there is nothing to learn failing from"
        )
    return data


def unfailed(data: Dataset) -> Iterator[str]:
    """What is to be told of engines that have not failed, a sentence each."""
    machines, ended = data.task.words.machines, Counter(data.endings)
    unknown = len(data.endings) - ended[Ending.FAILED]
    if unknown:
        yield (
            f"{unknown} of {len(data.endings)} {machines} have not failed: a model of the others draws how long each "
            "would have lasted; figures, intervals and threshold are of the others, and not shown to hold for these"
        )
    if ended[Ending.REMOVED]:
        yield (
            f"{ended[Ending.REMOVED]} {machines} were removed: if that was for their condition, those that failed wore "
            "out unlike them, and nothing here can show it"
        )


def test(options: argparse.Namespace) -> Dataset:
    """The engines that are tested on."""
    task = task_of(options)
    if options.task is None:
        return replace(load_test(options.data, options.subset), task=task)
    return load_table(options.data / f"test_{options.subset}.csv", task)


def read_model(path: Path) -> bytes:
    """The bytes of a model file."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"model {path} cannot be read: {error.strerror}; make it by `python -m training fit`"
        ) from error


def task_of(options: argparse.Namespace) -> Task:
    """The task, with classes and cap as the command line has them."""
    task, asked = CMAPSS if options.task is None else read_task(options.task), vars(options)
    classes = Classes(
        tuple(asked.get("classes") or task.classes.names), tuple(asked.get("edges") or task.classes.edges)
    )
    return replace(task, classes=classes, cap=asked.get("cap") or task.cap)
