"""Values of conditions at run time: numbers, strings, booleans, Null, and Undefined, which is none of them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import TypeAlias


class Missing(Enum):
    """The value that is none: its only member is UNDEFINED."""

    UNDEFINED = "undefined"


UNDEFINED = Missing.UNDEFINED
Value: TypeAlias = float | str | bool | Missing | None

# A date and time as edgeHub's JSON reader takes it; what is one there is no string any more.
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d(:?\d\d)?)?")
# What .NET reads as a number, whatever the sender's country: blanks, a sign before or behind, or parentheses for
# minus, commas for thousands, an exponent, the sign of a currency that is none.
_NUMBER = re.compile(
    r"[ \t-\r]*(?P<open>\()?[ \t-\r]*¤?(?P<before>[+-])?¤?(?P<digits>\d[\d,]*(?:\.\d*)?|\.\d+)"
    r"(?P<exponent>[eE][+-]?\d+)?(?P<behind>[+-])?¤?[ \t-\r]*(?P<close>\))?[ \t-\r]*"
)
_NAMED = {"infinity": math.inf, "+infinity": math.inf, "-infinity": -math.inf}


def units(text: str) -> str:
    """Text as .NET counts and compares it: by units of UTF-16, a character beyond them as two."""
    if text.isascii() or max(text) <= "\uffff":
        return text
    encoded = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(low | high << 8) for low, high in zip(encoded[::2], encoded[1::2], strict=True))


def number(value: float) -> Value:
    """A number; one that is none is Undefined."""
    return UNDEFINED if math.isnan(value) else value


def number_of(text: str) -> Value:
    """`as_number` of a text."""
    found = _NUMBER.fullmatch(text)
    if found is None or bool(found["open"]) != bool(found["close"]):
        return _NAMED.get(text.strip().lower(), UNDEFINED)
    signs = [sign for sign in (found["before"], found["behind"], found["open"]) if sign]
    if len(signs) > 1:
        return UNDEFINED
    value = float(found["digits"].replace(",", "") + (found["exponent"] or ""))
    return -value if signs and signs[0] in "-(" else value


def is_date(text: str) -> bool:
    """Whether edgeHub's JSON reader makes a date of a string."""
    if not _DATE.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def _rank(value: Value) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, float):
        return 1
    return 2 if isinstance(value, str) else 3


def _order(left: Value, right: Value) -> int:
    """Below 0, 0 or above 0; bool < number < string < Null, each by its own order."""
    ranks = _rank(left) - _rank(right)
    if ranks or left is None:
        return ranks
    return (left > right) - (left < right)  # type: ignore[operator]


_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<>": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}


def comparison(operator: str) -> Callable[[Value, Value], Value]:
    """What `left operator right` is: Undefined only if a side is."""
    decide = _COMPARISONS[operator]

    def apply(left: Value, right: Value) -> Value:
        if left is UNDEFINED or right is UNDEFINED:
            return UNDEFINED
        return decide(_order(left, right))

    return apply


def _divided(left: float, right: float) -> float:
    if right:
        return left / right
    return math.nan if not left or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)


def _remainder(left: float, right: float) -> float:
    return math.nan if not right or math.isinf(left) else math.fmod(left, right)


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divided,
    "%": _remainder,
}


def arithmetic(operator: str) -> Callable[[Value, Value], Value]:
    """What `left operator right` is; Undefined unless both are numbers."""
    apply = _ARITHMETIC[operator]

    def evaluate(left: Value, right: Value) -> Value:
        return number(apply(left, right)) if type(left) is float and type(right) is float else UNDEFINED

    return evaluate


def joined(left: Value, right: Value) -> Value:
    """`left || right`."""
    return left + right if isinstance(left, str) and isinstance(right, str) else UNDEFINED


def both(left: Value, right: Value) -> Value:
    """`left AND right`; a Null on the left decides, as a false does."""
    if left is None or left is False:
        return left
    if left is True:
        return right
    return False if right is False else UNDEFINED


def either(left: Value, right: Value) -> Value:
    """`left OR right`."""
    if left is None or left is False:
        return right
    if left is True:
        return True
    return True if right is True else UNDEFINED


def opposite(value: Value) -> Value:
    """`NOT value`; that of Null is true."""
    if value is None:
        return True
    return not value if isinstance(value, bool) else UNDEFINED
