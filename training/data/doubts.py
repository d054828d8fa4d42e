"""What is doubtful about training data, to be told before a fit that takes long."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.data.dataset import Dataset

FEW = 10
"""Fewer machines than these leave whole ways to fail out, and figures that say little."""


def doubts(data: Dataset) -> Iterator[str]:
    """Warnings about engines that ran to failure, a sentence each.

    Args:
        data: With the task's classes and cap as they are asked for.
    """
    task = data.task
    words = task.words
    if data.trajectories.engines < FEW:
        yield (
            f"{data.trajectories.engines} {words.machines} are few: the figures of cross-validation say little, and "
            f"what none of them went through cannot be learnt; bring {FEW} or more"
        )
    for column in np.flatnonzero(np.isnan(data.trajectories.values).all(axis=0)).tolist():
        yield f"the column {task.field_names[column]} is empty: nothing is learnt from it; leave it out of the task"
    rows = np.bincount(task.classes.of(data.rul), minlength=len(task.classes.names))
    for name in (name for name, count in zip(task.classes.names, rows, strict=True) if not count):
        yield f"no {words.step} is of class {name}: it is never predicted; give other --edges"
    if task.cap > data.rul.max():
        yield (
            f"RUL is cut at {task.cap:g} {words.unit}, and the longest is {data.rul.max()}: nothing is cut; "
            "give another --cap"
        )
