"""The condition language of routes: what stands between WHERE and INTO.

Values are numbers, strings, booleans, Null (None) and Undefined. Undefined comes of a property that is not there, of a
function or a comparison that does not fit its arguments' types; a condition that ends up Undefined is false.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

from simulator.message import Message


class Missing(Enum):
    """The value that is none: its only member is UNDEFINED."""

    UNDEFINED = "undefined"


UNDEFINED = Missing.UNDEFINED
Value: TypeAlias = float | str | bool | Missing | None
Evaluate: TypeAlias = Callable[[Message], Value]

# Deep enough for any condition that a person writes, shallow enough for Python's stack.
DEEPEST = 100
# The encodings of a body that edgeHub reads conditions on.
ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}


class Expression(NamedTuple):
    """A compiled part of a condition, and how deep its parts are nested."""

    evaluate: Evaluate
    depth: int


def literal(value: Value) -> Expression:
    """A constant."""
    return Expression(lambda _message: value, 1)


def _ignoring_case(bag: dict[str, str], name: str) -> str | None:
    value = bag.get(name)
    if value is not None:
        return value
    lower = name.lower()
    return next((value for key, value in bag.items() if key.lower() == lower), None)


def application_property(name: str) -> Expression:
    """A property that the sender set: a string, or Undefined."""

    def evaluate(message: Message) -> Value:
        value = _ignoring_case(message.properties, name)
        return UNDEFINED if value is None else value

    return Expression(evaluate, 1)


def system_property(name: str) -> Expression:
    """`$name`: an application property of that very name, else the system's."""

    def evaluate(message: Message) -> Value:
        own = _ignoring_case(message.properties, f"${name}")
        if own is not None:
            return own
        match name.lower():
            case "connectiondeviceid":
                return message.device
            case "connectionmoduleid":
                value = message.module
            case "outputname":
                value = message.output
            case _:
                value = _ignoring_case(message.system, name)
        return UNDEFINED if value is None else value

    return Expression(evaluate, 1)


def body_value(path: Sequence[str | int]) -> Expression:
    """`$body.a.b[0]`: a scalar of a JSON body; Null where there is none, Undefined for an object or a list."""

    def evaluate(message: Message) -> Value:
        content_type = _ignoring_case(message.system, "contentType") or ""
        encoding = ENCODINGS.get((_ignoring_case(message.system, "contentEncoding") or "").lower())
        if content_type.lower() != "application/json" or encoding is None:
            return UNDEFINED
        try:
            value: Any = json.loads(message.body.decode(encoding))
        except (ValueError, RecursionError):
            return UNDEFINED
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step] if step < len(value) else None
            else:
                return None
        if isinstance(value, dict | list):
            return UNDEFINED
        return float(value) if type(value) is int else value

    return Expression(evaluate, 1)


def _equal(left: Value, right: Value) -> Value:
    if left is UNDEFINED or right is UNDEFINED:
        return UNDEFINED
    if left is None or right is None:
        return left is right
    return left == right if type(left) is type(right) else UNDEFINED


def _not(value: Value) -> Value:
    return not value if isinstance(value, bool) else UNDEFINED


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], Value]:
    def apply(left: Value, right: Value) -> Value:
        if type(left) is type(right) and isinstance(left, float | str):
            return compare(left, right)
        return UNDEFINED

    return apply


COMPARISONS: dict[str, Callable[[Value, Value], Value]] = {
    "=": _equal,
    "!=": lambda left, right: _not(_equal(left, right)),
    "<>": lambda left, right: _not(_equal(left, right)),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
}


def comparison(left: Expression, operator: str, right: Expression) -> Expression:
    """`left operator right`."""
    apply = COMPARISONS[operator]
    first, second = left.evaluate, right.evaluate
    return Expression(lambda message: apply(first(message), second(message)), 1 + max(left.depth, right.depth))


def negation(operand: Expression) -> Expression:
    """`NOT operand`."""
    inner = operand.evaluate
    return Expression(lambda message: _not(inner(message)), 1 + operand.depth)


def minus(operand: Expression) -> Expression:
    """`-operand`."""

    def evaluate(message: Message) -> Value:
        value = operand.evaluate(message)
        return -value if type(value) is float else UNDEFINED

    return Expression(evaluate, 1 + operand.depth)


def junction(operands: Sequence[Expression], *, decisive: bool) -> Expression:
    """AND (decided by one false) or OR (decided by one true); else Undefined if any operand is no boolean."""
    parts = [operand.evaluate for operand in operands]

    def evaluate(message: Message) -> Value:
        result: Value = not decisive
        for part in parts:
            value = part(message)
            if value is decisive:
                return decisive
            if not isinstance(value, bool):
                result = UNDEFINED
        return result

    return Expression(evaluate, 1 + max(operand.depth for operand in operands))


def _substring(text: str, start: float, length: float | None = None) -> Value:
    begin = int(start)
    end = len(text) if length is None else begin + int(length)
    if begin < 0 or end < begin or end > len(text):
        return UNDEFINED
    return text[begin:end]


def _as_number(text: str) -> Value:
    try:
        number = float(text)
    except ValueError:
        return UNDEFINED
    return number if math.isfinite(number) else UNDEFINED


class Function(NamedTuple):
    """A function of the language: the types of its arguments (the last ones may be left out), and what it does."""

    types: tuple[type, ...]
    least: int
    apply: Callable[..., Any]


NUMBER, TEXT = (float,), (str,)
FUNCTIONS = {
    "abs": Function(NUMBER, 1, abs),
    "exp": Function(NUMBER, 1, math.exp),
    "power": Function(NUMBER * 2, 2, math.pow),
    "square": Function(NUMBER, 1, lambda number: number * number),
    "ceiling": Function(NUMBER, 1, math.ceil),
    "floor": Function(NUMBER, 1, math.floor),
    "sign": Function(NUMBER, 1, lambda number: (number > 0) - (number < 0)),
    "sqrt": Function(NUMBER, 1, math.sqrt),
    "as_number": Function(TEXT, 1, _as_number),
    "length": Function(TEXT, 1, len),
    "lower": Function(TEXT, 1, str.lower),
    "upper": Function(TEXT, 1, str.upper),
    "substring": Function((str, float, float), 2, _substring),
    "index_of": Function(TEXT * 2, 2, str.find),
    "starts_with": Function(TEXT * 2, 2, str.startswith),
    "ends_with": Function(TEXT * 2, 2, str.endswith),
    "contains": Function(TEXT * 2, 2, lambda text, part: part in text),
}
# These take a value of any type.
TESTS: dict[str, Callable[[Value], bool]] = {
    "is_bool": lambda value: isinstance(value, bool),
    "is_defined": lambda value: value is not UNDEFINED,
    "is_null": lambda value: value is None,
    "is_number": lambda value: type(value) is float,
    "is_string": lambda value: isinstance(value, str),
}


def arity(name: str) -> tuple[int, float] | None:
    """The least and the most arguments of a function; None if there is no such function."""
    if name == "concat":
        return 2, math.inf
    if name in TESTS:
        return 1, 1
    if name in FUNCTIONS:
        return FUNCTIONS[name].least, len(FUNCTIONS[name].types)
    return None


def call(name: str, arguments: Sequence[Expression]) -> Expression:
    """`name(arguments)`; the caller has checked that there is such a function, with as many arguments."""
    parts = [argument.evaluate for argument in arguments]
    if name in TESTS:
        test, only = TESTS[name], parts[0]
        return Expression(lambda message: test(only(message)), 1 + arguments[0].depth)
    if name == "concat":
        function = Function(TEXT * len(parts), len(parts), lambda *texts: "".join(texts))
    else:
        function = FUNCTIONS[name]

    def evaluate(message: Message) -> Value:
        values = [part(message) for part in parts]
        if any(type(value) is not kind for value, kind in zip(values, function.types, strict=False)):
            return UNDEFINED
        try:
            result: Value = function.apply(*values)
        except (ValueError, OverflowError):
            return UNDEFINED
        return float(result) if type(result) is int else result

    return Expression(evaluate, 1 + max(argument.depth for argument in arguments))
