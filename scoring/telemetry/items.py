"""Items: what is asked to be scored, records, windows and trajectories in any mixture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scoring.errors import InvalidTelemetry
from scoring.telemetry.record import Telemetry
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window

SingleItem = Telemetry | Window
"""What the model is asked about, one answer each."""
Item = SingleItem | Trajectory


def size(item: Item) -> int:
    """How many answers of the model an item takes."""
    return len(item) if isinstance(item, Trajectory) else 1


def unfolded(items: Iterable[Item | InvalidTelemetry]) -> list[SingleItem | InvalidTelemetry]:
    """Items with the windows of a trajectory in its place."""
    singles: list[SingleItem | InvalidTelemetry] = []
    for item in items:
        singles += item.windows if isinstance(item, Trajectory) else [item]
    return singles


def batches(items: Iterable[Item], most: int) -> Iterator[list[Item]]:
    """Items in groups that take at most so many answers, but for one that takes more alone."""
    group: list[Item] = []
    taken = 0
    for item in items:
        if group and taken + size(item) > most:
            yield group
            group, taken = [], 0
        group.append(item)
        taken += size(item)
    if group:
        yield group
