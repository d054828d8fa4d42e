"""Engines taken out before they failed, of engines that ran to failure: what a fleet's records look like."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.data.endings import Ending

IntArray = NDArray[np.int64]


class Scheme(StrEnum):
    """Why records end before engines do."""

    RANDOM = "random"
    """Some engines, each at a random moment of its life, whatever its condition."""
    CLOSING_DATE = "closing-date"
    """Engines enter service one after the other, and all records end on one day: those that live long are cut more."""


def kept_cycles(lives: IntArray, share: float, scheme: Scheme, rng: np.random.Generator) -> IntArray:
    """How many cycles of each engine are on record.

    Args:
        lives: int64 [engines], the cycles of each until it failed.
        share: Of the engines, how many have not failed on record, 0 to 1.
        scheme: Why their records end.
        rng: Draws engines and moments.

    Returns:
        int64 [engines], at least 1; the life of those that failed on record.
    """
    many = round(share * len(lives))
    if scheme is Scheme.RANDOM:
        kept = lives.copy()
        cut = rng.permutation(len(lives))[:many]
        kept[cut] = np.maximum(1, np.floor(rng.uniform(size=many) * lives[cut]))
        return kept
    # Engines enter evenly until the day on which all records end; the longer that takes, the more have failed by then.
    in_service = 1 - rng.permutation(len(lives)) / len(lives)
    needed = lives / in_service
    day = np.sort(needed)[len(lives) - many - 1] if many < len(lives) else 0.0
    on_record = np.where(needed <= day, lives, np.clip(np.floor(in_service * day), 1, lives))
    return on_record.astype(np.int64)


def censored(data: Dataset, kept: IntArray) -> Dataset:
    """The engines as they are on record.

    Args:
        data: Engines that ran to failure.
        kept: int64 [engines], how many cycles of each are on record.
    """
    cycles = data.trajectories.cycles
    rows = cycles <= kept[data.trajectories.units - 1]
    trajectories = replace(
        data.trajectories,
        units=data.trajectories.units[rows],
        cycles=cycles[rows],
        values=data.trajectories.values[rows],
    )
    failed = kept == data.trajectories.ends
    endings = tuple(Ending.FAILED if each else Ending.RUNNING for each in failed.tolist())
    return replace(data, trajectories=trajectories, rul=data.rul[rows], endings=endings)
