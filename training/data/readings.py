"""Readings as devices sent them: files in whatever form `batch` reads, machines mixed, late, twice, and with gaps."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from scoring.batch.entry import BatchError
from scoring.batch.inputs import Inputs
from scoring.errors import InvalidTelemetry
from scoring.model.derived import Category, Period, category_text
from scoring.model.signature import Field, Signature
from scoring.telemetry.record import Telemetry
from scoring.wire.cmapss import Trajectories
from scoring.wire.items import ItemParser
from training.data.dataset import Dataset
from training.data.endings import ENDED, FAILURE_MODE, Ending
from training.data.labels import remaining_useful_life
from training.data.task import Task
from training.errors import DataError

_ENDINGS = tuple(Ending)
# What stands behind a reading's fields: how its machine ended there, and by which mode it failed.
_TOLD = 2


@dataclass(frozen=True)
class _Texts(Category):
    """Texts that nobody has listed, by their numbers as they come."""

    found: dict[str, int] = field(default_factory=dict)

    def of(self, value: object) -> float:
        return np.nan if value in (None, "") else float(self.found.setdefault(category_text(value), len(self.found)))


@dataclass(frozen=True)
class _Ends(Category):
    """How machines ended, in whatever case, as tables have it."""

    def of(self, value: object) -> float:
        return super().of(category_text(value).lower() if isinstance(value, str) else value)


@dataclass
class Passed:
    """What was read, and what could not be used of it.

    Attributes:
        readings: How many could be used.
        replaced: How many of these another one of the same cycle took the place of: the last one counts, as on devices.
        gaps: How many cycles have none.
        refused: By reason, how many could not be used.
        example: Where the first of those stands, and what is wrong with it.
        empty: Files without a reading.
    """

    readings: int = 0
    replaced: int = 0
    gaps: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    example: str = ""
    empty: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """What a user should know, a sentence each."""
        for path in self.empty:
            yield f"{path} holds no reading"
        if self.refused:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.refused.most_common())
            yield (
                f"{self.refused.total():,} of {self.readings + self.refused.total():,} readings cannot be used "
                f"({reasons}); the first: {self.example}"
            )
        if self.replaced:
            yield f"{self.replaced:,} readings came again for a cycle that had one; the last one counts, as on a device"
        if self.gaps:
            yield f"{self.gaps:,} cycles have no reading: gaps in the windows, as on a device"


def load_readings(urls: Sequence[str], task: Task) -> tuple[Dataset, Passed]:
    """Read machines' telemetry as devices sent it.

    A machine's readings are put in the order of their cycles; of several of one cycle the last one counts. A column
    Ended says at a reading that the machine failed there, was removed, or still runs: what comes after a failure or a
    removal is another life of that machine. A column FailureMode there says by which mode it failed.

    Args:
        urls: Files, folders, patterns, or blobs, as `batch` takes them.
        task: Whose readings they are.

    Raises:
        DataError: They cannot be read, or hold nothing that can be used.
    """
    modes = _Texts(FAILURE_MODE, (), is_optional=True)
    signature = Signature(
        name=task.name,
        fields=(*task.fields, Field(ENDED), Field(FAILURE_MODE)),
        window=task.window,
        cycle=task.cycle,
        machine=task.machine,
        derived={**task.derived, ENDED: _Ends(ENDED, _ENDINGS, is_optional=True), FAILURE_MODE: modes},
    )
    passed = Passed()
    by_machine: dict[str, dict[int, Telemetry]] = defaultdict(dict)
    for reading in _readings(urls, ItemParser(signature), passed):
        known = by_machine[reading.engine]
        passed.replaced += reading.cycle in known
        if reading.cycle in known:
            # An end is told once, and not by each reading of its cycle.
            ends = reading.values[-_TOLD:]
            ends[:] = np.where(np.isnan(ends), known[reading.cycle].values[-_TOLD:], ends)
        known[reading.cycle] = reading
    if not by_machine:
        told = " ".join(passed.told()) or "they are empty"
        raise DataError(f"{', '.join(urls)}: expected readings of {task.words.machines}; {told}")
    return _dataset(urls, task, by_machine, passed, tuple(modes.found)), passed


def _readings(urls: Sequence[str], parser: ItemParser, passed: Passed) -> Iterator[Telemetry]:
    for url in urls:
        try:
            inputs = Inputs(url)
            for path, entry in inputs.entries(parser):
                for item in entry.singles:
                    if isinstance(item, Telemetry):
                        passed.readings += 1
                        yield item
                        continue
                    reason = item.reason if isinstance(item, InvalidTelemetry) else "window"
                    detail = item.detail if isinstance(item, InvalidTelemetry) else "it is a window, and no reading"
                    passed.example = passed.example or f"{path}, {entry.number}: {detail}"
                    passed.refused[reason] += 1
        except BatchError as error:
            raise DataError(str(error)) from error
        passed.empty += inputs.empty


def _dataset(
    urls: Sequence[str],
    task: Task,
    by_machine: dict[str, dict[int, Telemetry]],
    passed: Passed,
    mode_names: Sequence[str],
) -> Dataset:
    names: list[str] = []
    endings: list[Ending | None] = []
    modes: list[str] = []
    units: list[int] = []
    cycles: list[int] = []
    values: list[np.ndarray] = []
    for machine, readings in sorted(by_machine.items()):
        for number, life in enumerate(_lives([readings[cycle] for cycle in sorted(readings)]), start=1):
            names.append(machine if number == 1 else f"{machine}#{number}")
            units += [len(names)] * len(life)
            cycles += [each.cycle - life[0].cycle + 1 for each in life]
            values += [each.values[:-_TOLD] for each in life]
            passed.gaps += life[-1].cycle - life[0].cycle + 1 - len(life)
            told, mode = life[-1].values[-_TOLD:].tolist()
            endings.append(None if np.isnan(told) else _ENDINGS[int(told)])
            modes.append("" if np.isnan(mode) else mode_names[int(mode)])
    trajectories = Trajectories(np.array(units), np.array(cycles), np.array(values, dtype=np.float64))
    said = [each for each in endings if each is not None]
    # Of one that says nothing, nothing more is known than that it ran.
    known = tuple(each or Ending.RUNNING for each in endings) if said else ()
    digest = hashlib.sha256("\0".join(names).encode())
    for array in (trajectories.units, trajectories.cycles, trajectories.values):
        digest.update(np.ascontiguousarray(array).tobytes())
    return Dataset(
        urls[0].rstrip("/").rsplit("/", 1)[-1].partition(".")[0].strip("*") or task.name,
        trajectories,
        remaining_useful_life(trajectories),
        digest.hexdigest(),
        task,
        tuple(names),
        known,
        tuple(modes) if mode_names else (),
    )


def _lives(readings: list[Telemetry]) -> Iterator[list[Telemetry]]:
    """A machine's readings from one failure or removal to the next."""
    running = _ENDINGS.index(Ending.RUNNING)
    ends = [row + 1 for row, each in enumerate(readings) if each.values[-_TOLD] in range(running)]
    bounds = [0, *ends, *([len(readings)] if not ends or ends[-1] < len(readings) else [])]
    return (readings[start:end] for start, end in pairwise(bounds))


def split(data: Dataset, share: float, until: float | None = None) -> tuple[Dataset, Dataset]:
    """Machines to train on, and others to be tested on, which never change sides however many come.

    Args:
        data: Of all machines.
        share: Of the machines that are kept for testing, 0 to 1, chosen by their names.
        until: Train on what was known at this time alone, in seconds since 1970, and test on lives that began later.

    Raises:
        DataError: There is no time to split by.
    """
    machines = np.array([name.partition("#")[0] for name in data.names])
    chosen = {name: int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 < share for name in set(machines)}
    held_out = np.array([chosen[name] for name in machines])
    if until is None:
        return data.of(~held_out), data.of(held_out & data.failed)
    period = data.task.derived.get(data.task.cycle)
    if not isinstance(period, Period):
        raise DataError(f"{data.task.cycle} is no time: --until cannot tell what was known then; split by --hold-out")
    day = period.of(until * period.ticks)
    begins = data.trajectories.values[np.append(0, data.last[:-1] + 1), data.task.cycle_column]
    return _known_at(data, day).of((begins < day) & ~held_out), data.of((begins >= day) & data.failed)


def _known_at(data: Dataset, day: float) -> Dataset:
    """What was known before a day of the machines that ran then; of the others, all."""
    column = data.task.cycle_column
    begins = data.trajectories.values[np.append(0, data.last[:-1] + 1), column]
    kept = (data.trajectories.values[:, column] < day) | (begins >= day)[data.trajectories.units - 1]
    cut = np.bincount(data.trajectories.units[~kept], minlength=data.trajectories.engines + 1)[1:] > 0
    ways = data.endings or (Ending.FAILED,) * data.trajectories.engines
    trajectories = Trajectories(
        data.trajectories.units[kept], data.trajectories.cycles[kept], data.trajectories.values[kept]
    )
    endings = tuple(Ending.RUNNING if is_cut else each for each, is_cut in zip(ways, cut.tolist(), strict=True))
    return replace(
        data, trajectories=trajectories, rul=remaining_useful_life(trajectories), endings=endings, names=data.names
    )
