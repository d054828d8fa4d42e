"""Compiled parts of a condition, with the type that edgeHub's compiler gives them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple, TypeAlias

from simulator.message import Message
from simulator.routing import values
from simulator.routing.lexer import PlaceError
from simulator.routing.values import UNDEFINED, Value

Evaluate: TypeAlias = Callable[[Message], Value]

# Deep enough for any condition that a person writes, shallow enough for Python's stack.
DEEPEST = 100


class Type(Enum):
    """What is known of a value before there is a message; by the names that edgeHub's refusals have."""

    STRING = "string"
    NUMBER = "number"
    BOOL = "bool"
    NULL = "null"
    UNDEFINED = "undefined"
    BODY = "unknown"


# What a value of a body may turn out to be, and so be compared with.
_IN_BODY = frozenset({Type.STRING, Type.NUMBER, Type.BOOL, Type.NULL, Type.BODY})
_SWITCH = frozenset({Type.BOOL, Type.NULL, Type.UNDEFINED})
_BOTH_STRINGS = "'string' and 'string'"


class Expression(NamedTuple):
    """A part of a condition.

    Attributes:
        type: Its type.
        evaluate: Its value for a message.
        depth: How deep its parts are nested.
        text: As it stands in the route.
        start: Where it begins, in characters from 0.
        found: Of a path into a body: whether the body has it.
    """

    type: Type
    evaluate: Evaluate
    depth: int
    text: str
    start: int
    found: Callable[[Message], Value] | None = None


class Operator(NamedTuple):
    """An operator where it stands."""

    text: str
    start: int


def literal(kind: Type, value: Value, text: str, start: int) -> Expression:
    """A constant."""
    return Expression(kind, lambda _message: value, 1, text, start)


def _joined(
    kind: Type, operands: Sequence[Expression], evaluate: Evaluate, between: Sequence[Operator] = ()
) -> Expression:
    depth = 1 + max(operand.depth for operand in operands)
    first = operands[0]
    if depth > DEEPEST:
        raise PlaceError(None, f"the condition is nested more than {DEEPEST} deep")
    parts = [first.text]
    for operator, operand in zip(between, operands[1:], strict=True):
        parts += [operator.text, operand.text]
    return Expression(kind, evaluate, depth, " ".join(parts), first.start)


def _refused(left: Expression, operator: Operator, right: Expression, expected: str, remedy: str) -> PlaceError:
    have = f"'{left.type.value}' and '{right.type.value}'"
    wanted = expected or f"'{left.type.value}' and '{left.type.value}'"
    told = f"Invalid operands to binary operator '{operator.text}': have {have}, expected {wanted}"
    return PlaceError(operator.start, f"{told}; {remedy}" if remedy else told)


def _comparable(left: Type, right: Type) -> bool:
    if left is right:
        return True
    return (left is Type.BODY and right in _IN_BODY) or (right is Type.BODY and left in _IN_BODY)


def _comparison_remedy(left: Expression, operator: str, right: Expression) -> str:
    types = {left.type: left, right.type: right}
    if Type.STRING not in types:
        return ""
    text = types[Type.STRING].text
    if Type.NUMBER in types:
        sides = (f"as_number({each.text})" if each.type is Type.STRING else each.text for each in (left, right))
        return f"a property is a string: {f' {operator} '.join(sides)}"
    if Type.BOOL in types:
        return f"a property is a string: {text} {operator} '{types[Type.BOOL].text}'"
    if Type.NULL in types or Type.UNDEFINED in types:
        return f"whether there is a property: {'NOT ' if operator == '=' else ''}is_defined({text})"
    return ""


def compared(left: Expression, operator: Operator, right: Expression) -> Expression:
    """`left operator right`, of one type, or with a value of a body."""
    if not _comparable(left.type, right.type):
        raise _refused(left, operator, right, "", _comparison_remedy(left, operator.text, right))
    apply = values.comparison(operator.text)
    return _joined(
        Type.BOOL,
        (left, right),
        lambda message: apply(left.evaluate(message), right.evaluate(message)),
        (operator,),
    )


def calculated(left: Expression, operator: Operator, right: Expression) -> Expression:
    """`left operator right` of numbers, or with numbers of a body."""
    kinds = {left.type, right.type}
    if operator.text == "%" and Type.BODY in kinds:
        raise PlaceError(
            operator.start,
            "'%' takes no value of a body; edgeHub's compiler fails on it: as_number($body...) makes a number of it",
        )
    if not kinds <= {Type.NUMBER, Type.BODY}:
        remedy = next((f"as_number({each.text})" for each in (left, right) if each.type is Type.STRING), "")
        raise _refused(left, operator, right, "'number' and 'number'", remedy and f"a property is a string: {remedy}")
    apply = values.arithmetic(operator.text)
    return _joined(
        Type.BODY if Type.BODY in kinds else Type.NUMBER,
        (left, right),
        lambda message: apply(left.evaluate(message), right.evaluate(message)),
        (operator,),
    )


def concatenated(left: Expression, operator: Operator, right: Expression) -> Expression:
    """`left || right`."""
    if not {left.type, right.type} <= {Type.STRING, Type.BODY}:
        raise _refused(left, operator, right, _BOTH_STRINGS, "")
    return _joined(
        Type.STRING,
        (left, right),
        lambda message: values.joined(left.evaluate(message), right.evaluate(message)),
        (operator,),
    )


def defaulted(left: Expression, operator: Operator, right: Expression) -> Expression:
    """`left ?? right`: the left one where it is defined."""
    if not _comparable(left.type, right.type):
        raise _refused(left, operator, right, "", "")

    def evaluate(message: Message) -> Value:
        value = left.evaluate(message)
        return right.evaluate(message) if value is UNDEFINED else value

    return _joined(left.type, (left, right), evaluate, (operator,))


def _switch(operand: Expression) -> Evaluate:
    """An operand of AND, OR and NOT: a body's value counts only if it is a boolean."""
    if operand.type in _SWITCH:
        return operand.evaluate

    def evaluate(message: Message) -> Value:
        value = operand.evaluate(message)
        return value if isinstance(value, bool) else UNDEFINED

    return evaluate


def _switch_remedy(operand: Expression) -> str:
    if operand.type is Type.STRING:
        return f"a property is a string: {operand.text} = 'true'"
    if operand.type is Type.BODY:
        return f"a value of the body alone may stand on the left only: {operand.text} = true"
    return ""


def joined_by(operands: Sequence[Expression], operators: Sequence[Operator]) -> Expression:
    """`a AND b AND c`, or with OR; from left to right, both sides always evaluated."""
    apply = values.both if operators[0].text.upper() == "AND" else values.either
    left = operands[0]
    kind = left.type
    for operator, right in zip(operators, operands[1:], strict=True):
        if kind not in {*_SWITCH, Type.BODY} or (kind is not Type.BODY and right.type not in _SWITCH):
            wrong = right if kind in {*_SWITCH, Type.BODY} else left
            raise _refused(left._replace(type=kind), operator, right, "'bool' and 'bool'", _switch_remedy(wrong))
        if apply is values.both:
            kind = Type.NULL if kind is Type.NULL else Type.BOOL
        else:
            kind = right.type if kind is Type.NULL and right.type is not Type.UNDEFINED else Type.BOOL
    parts = [_switch(operand) for operand in operands]

    def evaluate(message: Message) -> Value:
        result = parts[0](message)
        for part in parts[1:]:
            result = apply(result, part(message))
        return result

    return _joined(kind, operands, evaluate, operators)


def negated(operator: Operator, operand: Expression) -> Expression:
    """`NOT operand`, which binds tighter than a comparison."""
    if operand.type not in {Type.BOOL, Type.BODY, Type.NULL}:
        raise PlaceError(
            operator.start,
            f"Invalid operand to unary operator 'not': have '{operand.type.value}', expected 'bool'; NOT binds tighter "
            f"than a comparison: NOT ({operand.text} = ...)",
        )
    inner = operand.evaluate if operand.type is Type.NULL else _switch(operand)
    made = _joined(Type.BOOL, (operand,), lambda message: values.opposite(inner(message)))
    return made._replace(text=f"{operator.text} {operand.text}", start=operator.start)


def minus(operator: Operator, operand: Expression) -> Expression:
    """`-operand`."""
    if operand.type not in {Type.NUMBER, Type.UNDEFINED}:
        remedy = {
            Type.STRING: f"; a property is a string: -as_number({operand.text})",
            Type.BODY: f"; edgeHub's compiler fails on a value of a body: 0 - {operand.text}",
        }.get(operand.type, "")
        raise PlaceError(
            operator.start,
            f"Invalid operand to unary operator '-': have '{operand.type.value}', expected 'number'{remedy}",
        )

    def evaluate(message: Message) -> Value:
        value = operand.evaluate(message)
        return -value if isinstance(value, float) else UNDEFINED

    made = _joined(operand.type, (operand,), evaluate)
    return made._replace(text=f"-{operand.text}", start=operator.start)


def grouped(operand: Expression, start: int) -> Expression:
    """`(operand)`."""
    made = _joined(operand.type, (operand,), operand.evaluate)
    return made._replace(text=f"({operand.text})", start=start)
