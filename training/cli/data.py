"""What commands have in common: which engines they are about."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import cast

from scoring.cli.console import note, number
from scoring.extras import import_for
from scoring.model.derived import seconds_of
from training.data.csv_table import load_table
from training.data.dataset import Dataset, default_directory, load_test, load_training
from training.data.endings import ENDED, WAYS, Ending, endings_of, read_endings
from training.data.labels import Classes
from training.data.task import CMAPSS, Task, read_task
from training.errors import DataError

UNIT = "unit"
"""What the first column of a file of endings is called where engines have numbers alone."""


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where the C-MAPSS files are."""
    parser.add_argument(
        "--data",
        type=Path,
        default=default_directory(),
        help="directory of the C-MAPSS files; default: CMAPSS_DIR, else data/cmapss",
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which engines."""
    add_directory(parser)
    parser.add_argument("--subset", default="FD003", help="such as FD003, the default")
    parser.add_argument(
        "--task",
        type=Path,
        help="TOML description of another machine, whose telemetry is train_<subset>.csv and test_<subset>.csv",
    )
    parser.add_argument(
        "--readings",
        nargs="+",
        metavar="FILE",
        help="readings as devices sent them, in place of --data and --subset: CSV, NDJSON, Parquet, or what IoT Hub "
        "stored; files, folders, patterns or blobs",
    )
    parser.add_argument(
        "--hold-out",
        type=number(float, 0, 0.9),
        default=0.2,
        metavar="SHARE",
        help="of the machines of --readings, the share that is tested on and not trained on; default: 0.2",
    )
    parser.add_argument(
        "--until",
        type=_time,
        metavar="TIME",
        help="train on what was known then alone, and test on machines of --readings that began later",
    )


def add_endings(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how engines ended of which that is not on record."""
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
    if options.readings:
        return _sides(options)[0]
    if options.task is None:
        return replace(load_training(options.data, options.subset), task=task)
    return _table(options.data / f"train_{options.subset}.csv", task)


def with_endings(options: argparse.Namespace, data: Dataset) -> Dataset:
    """Engines that are trained on, once it is said how each of them ended.

    Raises:
        DataError: Nothing says it, two things do, or none of them failed.
    """
    if not options.readings:
        data = _ended(options, data)
    if not data.failed.any():
        raise DataError(
            f"none of the {len(data.endings)} {data.task.words.machines} has failed: there is nothing to learn failing "
            "from"
        )
    return data


def _ended(options: argparse.Namespace, data: Dataset) -> Dataset:
    """Engines, once it is said how each of them ended."""
    task, machines = data.task, data.task.words.machines
    ended, run_to_failure = vars(options).get("ended"), vars(options).get("run_to_failure", False)
    if ended is not None:
        if run_to_failure or data.endings:
            raise DataError(f"{ended} says how {machines} ended, and so does another; give one of {WAYS}")
        names = data.names or tuple(map(str, range(1, data.trajectories.engines + 1)))
        found, modes = read_endings(ended, task.machine or UNIT)
        told = tuple(modes[name] for name in names if name in modes)
        data = replace(data, endings=endings_of(found, names, ended), modes=told)
    elif run_to_failure and data.endings:
        raise DataError(f"the table says how its {machines} ended, and so does --run-to-failure; give one of {WAYS}")
    elif (options.task or options.readings) and not run_to_failure and not data.endings:
        where = ", ".join(options.readings) if options.readings else f"train_{options.subset}.csv"
        raise DataError(
            f"nothing says how the {machines} of {where} ended, and a last row is a failure only "
            f"where it was one; give {WAYS} ({', '.join(Ending)})"
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
    """The engines that are tested on.

    Raises:
        DataError: There are none.
    """
    task = task_of(options)
    if options.readings:
        data = _sides(options)[1]
        if not len(data.rul):
            raise DataError("none of the machines that were held out has failed; hold out more by --hold-out")
        return data
    if options.task is None:
        return replace(load_test(options.data, options.subset), task=task)
    return _table(options.data / f"test_{options.subset}.csv", task)


def _table(path: Path, task: Task) -> Dataset:
    if task.derived:
        raise DataError(f"{task.name} has fields that are made of what a message holds; give {path} by --readings")
    return load_table(path, task)


def _sides(options: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """The machines of readings that are trained on, and those that are tested on."""
    data = _read(tuple(options.readings), options.task)
    readings = import_for("`--readings`", "training.data.readings", "batch")
    sides: tuple[Dataset, Dataset] = readings.split(_ended(options, data), options.hold_out, options.until)
    task = task_of(options)
    return replace(sides[0], task=task), replace(sides[1], task=task)


@cache
def _read(urls: tuple[str, ...], task: Path | None) -> Dataset:
    """Readings, and what is to be told of them; read once, and told once, however often they are asked for."""
    readings = import_for("`--readings`", "training.data.readings", "batch")
    data, passed = readings.load_readings(urls, CMAPSS if task is None else read_task(task))
    for each in passed.told():
        note(f"warning: {each}")
    return cast("Dataset", data)


def _time(text: str) -> float:
    try:
        return seconds_of(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(f"{text!r}, expected a time, such as 2026-06-01") from error


def judged(options: argparse.Namespace) -> Dataset:
    """The engines that a model is judged on.

    Raises:
        DataError: There are none, or it is said how they ended where their RUL is on record.
    """
    if not options.readings and (options.ended or options.run_to_failure):
        raise DataError("of test sets it is on record what was left; --ended and --run-to-failure are for --readings")
    return test(options)


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
