"""Entries: the messages that a file holds, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scoring.errors import InvalidTelemetry, ScoringError
from scoring.telemetry.items import Item, SingleItem, unfolded

GROUP = 256
"""Messages that are read, and items that are scored, in one step: enough that what a step costs beside them does not
count; the windows take 1.3 MB."""


class BatchError(ScoringError):
    """Files cannot be scored: one cannot be read or written, or lacks what the model needs."""


def in_one_line(error: BaseException) -> str:
    """What an error says, on one line; its kind where it says nothing, or nothing but a value."""
    told = " ".join(str(error).split())
    return told if isinstance(error, OSError | ValueError) and told else f"{type(error).__name__} {told}".rstrip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a file.

    Attributes:
        number: Which one of the file's, from 1; the line's number where lines are messages.
        items: What it holds to be scored, or why that cannot be.
        original: The message as it stands in the file, or what gives it where that takes time.
    """

    number: int
    items: Sequence[Item | InvalidTelemetry]
    original: object

    @property
    def singles(self) -> Sequence[SingleItem | InvalidTelemetry]:
        """The items, with the windows of a trajectory in its place: each becomes a prediction of its own."""
        return unfolded(self.items)
