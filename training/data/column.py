"""What a column of readings holds, whatever it means."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scoring.model.derived import category_text

FEW = 10
"""Texts, or numbers, that a column may have to be taken for a category, or for a setting."""
MOST = 0.95
"""Of a column's values, how many have to be of a kind for it to be of that kind."""
# Names of machines, of which there may be thousands; of times each is another one.
_TEXTS = 100_000
_UNIT = re.compile(r"[\[(]([^\])]{1,20})[\])]\s*$")
_SECONDS_OF_5138 = 1e11


@dataclass
class Column:
    """What a column holds.

    Attributes:
        name: Its name.
        numbers: How many of its values are numbers.
        texts: Its texts, as many as are told apart, by how often each stands there.
        times: How many of its texts are times.
        low: The smallest number.
        high: The largest.
        values: Its numbers, as many as are told apart.
        example: A text among numbers.
    """

    name: str
    numbers: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    times: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    values: set[float] = field(default_factory=set)
    example: str = ""

    @property
    def present(self) -> int:
        """How many of its values are there."""
        return self.numbers + self.texts.total()

    @property
    def unit(self) -> str:
        """The unit that stands in brackets at the end of its name."""
        found = _UNIT.search(self.name)
        return found[1] if found else ""

    def see(self, value: Any) -> None:  # noqa: ANN401 - whatever a file holds
        """Take a value in."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers += 1
            self.low, self.high = min(self.low, value), max(self.high, value)
            if len(self.values) <= FEW:
                self.values.add(float(value))
        elif value not in (None, ""):
            told = category_text(value)
            self.example = self.example or told
            self.texts[told if len(self.texts) < _TEXTS else ""] += 1
            self.times += _is_time(told)

    @property
    def is_of_numbers(self) -> bool:
        """Whether nearly all of its values are numbers."""
        return self.present > 0 and self.numbers >= MOST * self.present

    @property
    def is_of_times(self) -> bool:
        """Whether nearly all of its values are times as texts."""
        return self.present > 0 and self.times >= MOST * self.present

    @property
    def ticks(self) -> float:
        """How many of its units make a second, if it tells times since 1970 as numbers: 1, or 1000."""
        return 1000.0 if self.numbers and self.low > _SECONDS_OF_5138 else 1.0


def _is_time(text: str) -> bool:
    # A year alone, or a serial number of eight digits, is a date to `fromisoformat` too.
    if not ("-" in text or ":" in text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
