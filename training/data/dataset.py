"""Data sets in C-MAPSS format: what to train on, and what to be tested on."""

from __future__ import annotations

import gzip
import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.errors import CmapssError
from scoring.wire.cmapss import Trajectories, find, read_rul, read_trajectories
from training.data.endings import Ending
from training.data.labels import remaining_useful_life
from training.data.task import CMAPSS, Task
from training.data.windows import FloatArray, windows
from training.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """Trajectories with their true RUL.

    Attributes:
        name: The set's name, such as FD003.
        trajectories: The cycles of its engines.
        rul: int64 [rows], true RUL in cycles, not cut.
        sha256: Of the text that the trajectories were read from.
        task: Whose RUL it is, and what the columns of the trajectories mean.
        names: Of the engines, in their order; (): they have numbers alone.
        endings: How each engine ended; (): that is not said, or what was left after each row is known.
        modes: By which mode each engine failed, "" where that is not known; (): of none.
    """

    name: str
    trajectories: Trajectories
    rul: NDArray[np.int64]
    sha256: str
    task: Task = CMAPSS
    names: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    modes: tuple[str, ...] = ()

    def windows(self) -> FloatArray:
        """What a device knows after each row, float32 [rows, W, fields]."""
        return windows(self.trajectories, self.task.window)

    @property
    def last(self) -> NDArray[np.int64]:
        """The index of each engine's last row, int64 [engines]."""
        return np.cumsum(self.trajectories.lengths) - 1

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Of which engines it is known when they fail, bool [engines]."""
        if not self.endings:
            return np.ones(self.trajectories.engines, dtype=np.bool_)
        return np.array([each is Ending.FAILED for each in self.endings])

    @property
    def mode_names(self) -> tuple[str, ...]:
        """The failure modes that engines had, in the order of their names."""
        return tuple(sorted(set(self.modes) - {""}))

    def of(self, engines: NDArray[np.bool_]) -> Dataset:
        """Some of the engines, numbered anew.

        Args:
            engines: Which, bool [engines].
        """
        rows = engines[self.trajectories.units - 1]
        units = np.cumsum(engines, dtype=np.int64)[self.trajectories.units[rows] - 1]
        return replace(
            self,
            trajectories=Trajectories(units, self.trajectories.cycles[rows], self.trajectories.values[rows]),
            rul=self.rul[rows],
            names=tuple(name for name, kept in zip(self.names, engines, strict=False) if kept),
            endings=tuple(each for each, kept in zip(self.endings, engines, strict=False) if kept),
            modes=tuple(each for each, kept in zip(self.modes, engines, strict=False) if kept),
        )


def default_directory() -> Path:
    """Where C-MAPSS is looked for: CMAPSS_DIR if it is set, else data/cmapss, which `fetch` fills."""
    return Path(os.environ.get("CMAPSS_DIR") or "data/cmapss")


def load_training(directory: Path, subset: str) -> Dataset:
    """Engines that ran to failure: train_<subset>.txt or its .gz.

    Raises:
        DataError: The directory lacks the file.
        CmapssError: The file is broken.
    """
    path = _find(directory, f"train_{subset}.txt")
    trajectories = read_trajectories(path)
    return Dataset(subset, trajectories, remaining_useful_life(trajectories), _sha256(path))


def load_test(directory: Path, subset: str) -> Dataset:
    """Engines cut off some cycles before failure: test_<subset>.txt and RUL_<subset>.txt, or their .gz.

    Raises:
        DataError: The directory lacks a file, or the RUL file has another number of engines.
        CmapssError: A file is broken.
    """
    path = _find(directory, f"test_{subset}.txt")
    trajectories = read_trajectories(path)
    after_last = read_rul(_find(directory, f"RUL_{subset}.txt"))
    return Dataset(subset, trajectories, remaining_useful_life(trajectories, after_last), _sha256(path))


def joined(name: str, parts: list[Dataset]) -> Dataset:
    """Several data sets as one; engines are numbered on."""
    before = np.cumsum([0] + [each.trajectories.engines for each in parts[:-1]])
    trajectories = Trajectories(
        np.concatenate([each.trajectories.units + n for each, n in zip(parts, before, strict=True)]),
        np.concatenate([each.trajectories.cycles for each in parts]),
        np.concatenate([each.trajectories.values for each in parts]),
    )
    sums = hashlib.sha256("".join(each.sha256 for each in parts).encode()).hexdigest()
    return Dataset(name, trajectories, np.concatenate([each.rul for each in parts]), sums, parts[0].task)


def _find(directory: Path, name: str) -> Path:
    try:
        return find(directory, name)
    except CmapssError as error:
        raise DataError(
            f"{directory} has neither {name} nor {name}.gz; give another directory by --data or CMAPSS_DIR, "
            "or bring the data by `python -m training fetch`"
        ) from error


def _sha256(path: Path) -> str:
    content = path.read_bytes()
    return hashlib.sha256(gzip.decompress(content) if path.suffix == ".gz" else content).hexdigest()
