"""Fields that a message does not hold as numbers: a cycle that is a period of time, a category that is a text.

The rules stand in a model's signature, so that training, modules, service and `batch` read the same messages alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

# The longest form of ISO 8601 that anyone writes has some 35.
_TIME_CHARACTERS = 64
_CATEGORY_CHARACTERS = 100
# Beyond any time in nanoseconds; no quotient of it by what a rule may have is infinite.
_LARGEST = 1e20
_LEAST, _MOST = 1e-3, 1e12
MAX_CATEGORIES = 100
"""As many texts as a field can tell apart: more are names or notes, and no category."""


@dataclass(frozen=True, slots=True)
class Period:
    """A cycle is a period of time: the newest reading of a period stands for it, a period without one is a gap.

    Attributes:
        source: What a message calls its time: ISO 8601, UTC where it names no zone, or a number since 1970.
        every: How long a period is, in seconds.
        origin: When period 1 begins, in seconds since 1970.
        ticks: How many of a number's units make a second, such as 1000.
    """

    source: str
    every: float
    origin: float
    ticks: float = 1.0

    @property
    def is_optional(self) -> bool:
        """Each message has to hold its time."""
        return False

    def of(self, value: object) -> float:
        """The cycle of a time.

        Raises:
            ValueError: It is none; says what was expected.
        """
        return math.floor((self.seconds(value) - self.origin) / self.every) + 1.0

    def seconds(self, value: object) -> float:
        """A time in seconds since 1970.

        Raises:
            ValueError: It is none; says what was expected.
        """
        if isinstance(value, str) and len(value) <= _TIME_CHARACTERS:
            try:
                return seconds_of(datetime.fromisoformat(value.strip()))
            except (ValueError, OverflowError):  # the other: a time of year 1 or 9999 that no zone can be taken off
                # A number as text, as tables have it.
                value = _number(value)
        # A bool is an int to isinstance; the comparison is false for NaN too.
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            return value / self.ticks
        raise ValueError("expected a time, such as 2026-11-30T12:00:00Z or a number since 1970")

    def raw(self) -> dict[str, Any]:
        """As a signature has it."""
        return {"from": self.source, "every": self.every, "origin": self.origin, "ticks": self.ticks}


@dataclass(frozen=True, slots=True)
class Category:
    """A text that is one of a few, as its number from 0.

    Attributes:
        source: What a message calls it.
        categories: The texts, in order.
        is_optional: A message need not hold it.
    """

    source: str
    categories: tuple[str, ...]
    is_optional: bool = False

    def of(self, value: object) -> float:
        """The number of a text; NaN of what tells nothing.

        Raises:
            ValueError: It is none of the texts; says which there are.
        """
        if value in (None, ""):
            return math.nan
        told = category_text(value)
        if told in self.categories:
            return float(self.categories.index(told))
        raise ValueError(f"expected one of {', '.join(self.categories)}"[: 2 * _CATEGORY_CHARACTERS])

    def raw(self) -> dict[str, Any]:
        """As a signature has it."""
        return {"from": self.source, "categories": list(self.categories)}


Derived = Period | Category


def category_text(value: object) -> str:
    """What a category is called: texts without blanks around them, whole numbers without a point, lower-case truths."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()[:_CATEGORY_CHARACTERS]


def read_derived(raw: Mapping[str, Any]) -> Derived:
    """A rule as a signature has it.

    Raises:
        KeyError: It lacks something.
        TypeError: Something in it is of another kind.
        ValueError: Something in it cannot be.
    """
    source = raw["from"]
    if not isinstance(source, str) or not source:
        raise TypeError(f"a derived field is from {str(source)[:40]!r}, expected a name")
    if "categories" in raw:
        names = tuple(raw["categories"])
        if not 1 <= len(names) <= MAX_CATEGORIES or len(set(names)) != len(names):
            raise ValueError(f"{source} has {len(names)} categories, expected 1 to {MAX_CATEGORIES}, each once")
        if not all(isinstance(each, str) and each for each in names):
            raise TypeError(f"{source} has a category that is no text")
        return Category(source, names)
    period = Period(source, float(raw["every"]), float(raw["origin"]), float(raw.get("ticks", 1.0)))
    if not (_LEAST <= period.every <= _MOST and _LEAST <= period.ticks <= _MOST and abs(period.origin) <= _MOST):
        raise ValueError(f"{source} counts periods of {period.every:g} s from {period.origin:g}, which cannot be")
    return period


def seconds_of(time: datetime) -> float:
    """A time in seconds since 1970; it is UTC where it names no zone."""
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float | str:
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text
