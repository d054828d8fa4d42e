"""The functions of conditions, by the types of arguments that edgeHub's compiler takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from simulator.message import Message
from simulator.routing.expression import DEEPEST, Expression, Type
from simulator.routing.lexer import PlaceError
from simulator.routing.values import UNDEFINED, Value, number, number_of

_TEXT = frozenset({Type.STRING, Type.BODY})
_NUMBER = frozenset({Type.NUMBER, Type.BODY})


class Function(NamedTuple):
    """A function.

    Attributes:
        arguments: The types that each may have; the last ones may be left out.
        least: How many there have to be.
        result: Its type.
        apply: What it does with values that all are of the types that it takes; Undefined otherwise.
    """

    arguments: tuple[frozenset[Type], ...]
    least: int
    result: Type
    apply: Callable[..., Any]


def _number(apply: Callable[..., float], count: int = 1) -> Function:
    return Function((_NUMBER,) * count, count, Type.NUMBER, apply)


def _of_texts(result: Type, apply: Callable[..., Any], count: int) -> Function:
    return Function((_TEXT,) * count, count, result, apply)


def _exp(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 else math.inf
    except ValueError:
        # Of a negative number, a fraction is no number; of 0, a negative power is infinite.
        return math.nan if base else math.inf


def _rounded(apply: Callable[[float], int]) -> Callable[[float], float]:
    return lambda value: float(apply(value)) if math.isfinite(value) else value


def _substring(text: str, start: float, length: float | None = None) -> Value:
    if not (math.isfinite(start) and math.isfinite(length or 0)):
        return UNDEFINED
    begin = int(start)
    if length is None:
        return text[begin:] if 0 <= begin <= len(text) else UNDEFINED
    end = begin + int(length)
    return text[begin:end] if 0 <= begin < len(text) and begin <= end <= len(text) else UNDEFINED


def _mapped(change: Callable[[str], str]) -> Callable[[str], str]:
    """By character, as .NET's invariant culture does: one never becomes two."""
    return lambda text: "".join(one if len(one := change(each)) == 1 else each for each in text)


_FUNCTIONS = {
    "abs": _number(abs),
    "ceiling": _number(_rounded(math.ceil)),
    "exp": _number(_exp),
    "floor": _number(_rounded(math.floor)),
    "power": _number(_power, 2),
    "sign": _number(lambda value: (value > 0) - (value < 0)),
    "sqrt": _number(lambda value: math.sqrt(value) if value >= 0 else math.nan),
    "square": _number(lambda value: value * value),
    "as_number": Function(
        (_TEXT | _NUMBER,), 1, Type.NUMBER, lambda value: number_of(value) if isinstance(value, str) else value
    ),
    "length": _of_texts(Type.NUMBER, len, 1),
    "lower": _of_texts(Type.STRING, _mapped(str.lower), 1),
    "upper": _of_texts(Type.STRING, _mapped(str.upper), 1),
    "substring": Function((_TEXT, _NUMBER, _NUMBER), 2, Type.STRING, _substring),
    "index_of": _of_texts(Type.NUMBER, str.find, 2),
    "starts_with": _of_texts(Type.BOOL, str.startswith, 2),
    "ends_with": _of_texts(Type.BOOL, str.endswith, 2),
    "contains": _of_texts(Type.BOOL, lambda text, part: part in text, 2),
}


def _is_null(argument: Expression) -> Callable[[Message], Value]:
    """A body that has the path is told to be Null there, whatever stands there, and one that has not, not to be."""
    if argument.type is not Type.BODY:
        return lambda message: argument.evaluate(message) is None

    def evaluate(message: Message) -> Value:
        if argument.found is not None:
            return argument.found(message)
        return UNDEFINED if argument.evaluate(message) is UNDEFINED else True

    return evaluate


def _is_bool(argument: Expression) -> Callable[[Message], Value]:
    def evaluate(message: Message) -> Value:
        value = argument.evaluate(message)
        if value is UNDEFINED and argument.type is Type.BODY:
            return UNDEFINED
        return isinstance(value, bool)

    return evaluate


# These take one value of any type.
_TESTS: dict[str, Callable[[Expression], Callable[[Message], Value]]] = {
    "is_bool": _is_bool,
    "is_defined": lambda argument: lambda message: argument.evaluate(message) is not UNDEFINED,
    "is_null": _is_null,
    "is_number": lambda argument: (
        lambda message: type(value := argument.evaluate(message)) is float and math.isfinite(value)
    ),
    "is_string": lambda argument: lambda message: isinstance(argument.evaluate(message), str),
}


def _of(kinds: frozenset[Type], value: Value) -> bool:
    """Whether a value that a message has brought is of the types that a function takes."""
    return (Type.STRING in kinds and isinstance(value, str)) or (Type.NUMBER in kinds and type(value) is float)


def called(name: str, start: int, arguments: Sequence[Expression]) -> Expression:
    """`name(arguments)`; names in any case.

    Raises:
        PlaceError: There is no such function, or it does not take these.
    """
    key = name.lower()
    given = ", ".join(argument.type.value for argument in arguments)
    wrong = f"Invalid arguments to built-in function '{key}': {key}({given})"
    if key in _TESTS and len(arguments) == 1:
        result, evaluate = Type.BOOL, _TESTS[key](arguments[0])
    elif key in _TESTS:
        raise PlaceError(start, f"{wrong}; it takes one")
    else:
        function = _FUNCTIONS.get(key)
        if key == "concat":
            count = max(2, len(arguments))
            function = _of_texts(Type.STRING, lambda *texts: "".join(texts), count)
        if function is None:
            names = ", ".join(sorted({*_FUNCTIONS, *_TESTS, "concat"}))
            raise PlaceError(start, f"Invalid built-in function '{name}'; there are {names}")
        taken = function.arguments[: len(arguments)]
        fits = function.least <= len(arguments) <= len(function.arguments)
        if not fits or any(each.type not in kinds for each, kinds in zip(arguments, taken, strict=True)):
            raise PlaceError(start, f"{wrong}; {_remedy(key, function, arguments)}")
        result, evaluate = function.result, _applied(function, arguments)
    depth = 1 + max((argument.depth for argument in arguments), default=0)
    if depth > DEEPEST:
        raise PlaceError(None, f"the condition is nested more than {DEEPEST} deep")
    text = f"{name}({', '.join(argument.text for argument in arguments)})"
    return Expression(result, evaluate, depth, text, start)


def _remedy(key: str, function: Function, arguments: Sequence[Expression]) -> str:
    if key == "concat":
        return "it takes two strings or more"
    if len(arguments) == len(function.arguments) and any(
        each.type is Type.STRING and kinds is _NUMBER for each, kinds in zip(arguments, function.arguments, strict=True)
    ):
        return f"a property is a string: {key}(as_number({arguments[0].text})...)"
    names = ["number" if kinds is _NUMBER else "string" for kinds in function.arguments]
    optional = "" if function.least == len(function.arguments) else ", the last may be left out"
    return f"it takes {' and '.join(names)}{optional}"


def _applied(function: Function, arguments: Sequence[Expression]) -> Callable[[Message], Value]:
    parts = [argument.evaluate for argument in arguments]

    def evaluate(message: Message) -> Value:
        given = [part(message) for part in parts]
        if not all(_of(kinds, value) for kinds, value in zip(function.arguments, given, strict=False)):
            return UNDEFINED
        result: Value = function.apply(*given)
        return number(float(result)) if type(result) in (int, float) else result  # type: ignore[arg-type]

    return evaluate
