"""What commands have in common: which engines they are about."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from training.data.csv_table import load_table
from training.data.dataset import Dataset, default_directory, load_test, load_training
from training.data.labels import Classes
from training.data.task import CMAPSS, Task, read_task
from training.errors import DataError


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


def training(options: argparse.Namespace) -> Dataset:
    """The engines that are trained on."""
    task = task_of(options)
    if options.task is None:
        return replace(load_training(options.data, options.subset), task=task)
    return load_table(options.data / f"train_{options.subset}.csv", task)


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
