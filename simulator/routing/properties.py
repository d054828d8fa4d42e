"""What conditions read of a message: its properties, and its body if that says that it is JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.message import Message
from simulator.routing.expression import Expression, Type
from simulator.routing.lexer import PlaceError
from simulator.routing.values import UNDEFINED, Value, is_date, units

# The encodings of a body that edgeHub reads conditions on.
_ENCODINGS = {"utf-8": "utf-8", "utf-16": "utf-16", "utf-32": "utf-32"}
_BODY = "$body."
_STEP = re.compile(r"(?P<name>[^()<>@,;:\\\"/\[\]?={}.\t\r\n]+)(?:\[(?P<index>\d+)\])?")


def _ignoring_case(bag: Mapping[str, str], name: str) -> str | None:
    value = bag.get(name)
    if value is not None:
        return value
    lower = name.lower()
    return next((value for key, value in bag.items() if key.lower() == lower), None)


def _text(value: str | None) -> Value:
    return UNDEFINED if value is None else units(value)


def application(name: str, start: int) -> Expression:
    """A property that the sender set: a string, or Undefined; names ignore case."""
    return Expression(Type.STRING, lambda message: _text(_ignoring_case(message.properties, name)), 1, name, start)


def _system(name: str) -> Callable[[Message], Value]:
    named: dict[str, Callable[[Message], str | None]] = {
        "connectiondeviceid": lambda message: message.device,
        "connectionmoduleid": lambda message: message.module,
        "outputname": lambda message: message.output,
        "edgemessageid": lambda message: message.edge_id,
        "edgehuborigininterface": lambda message: "downstream" if message.module is None else "internal",
    }
    find = named.get(name.lower())
    if find is None:
        return lambda message: _text(_ignoring_case(message.system, name))
    return lambda message: _text(find(message))


def _path(token: str, start: int) -> list[str | int]:
    steps: list[str | int] = []
    for part in token[len(_BODY) :].split("."):
        found = _STEP.fullmatch(part)
        if found is None:
            raise PlaceError(
                start, f"{token} is no path into a body: names with dots between, each with at most one [NUMBER]"
            )
        steps.append(units(found["name"]))
        if found["index"] is not None:
            steps.append(int(found["index"]))
    return steps


def _parsed(message: Message) -> Any:  # noqa: ANN401 - any JSON value
    """The body as JSON, an object; Undefined if it is none, or does not say that it is."""
    content_type = _ignoring_case(message.system, "contentType") or ""
    encoding = _ENCODINGS.get((_ignoring_case(message.system, "contentEncoding") or "").lower())
    if content_type.lower() != "application/json" or encoding is None:
        return UNDEFINED
    try:
        value = json.loads(message.body.decode(encoding))
    except (ValueError, RecursionError):
        return UNDEFINED
    return value if isinstance(value, dict) else UNDEFINED


def _followed(message: Message, steps: Sequence[str | int]) -> tuple[Any, bool]:
    """What a path leads to, and whether the body has it."""
    value = _parsed(message)
    if value is UNDEFINED:
        return UNDEFINED, True
    for step in steps:
        of_object = isinstance(value, dict) and step in value
        of_list = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if not (of_object or of_list):
            return None, False
        value = value[step]
    return value, True


def _scalar(value: Any) -> Value:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list) or (isinstance(value, str) and is_date(value)):
        return UNDEFINED
    if isinstance(value, str):
        return units(value)
    return float(value) if type(value) is int else value


def body(token: str, start: int) -> Expression:
    """`$body.a.b[0]`: Null where there is none, Undefined for an object, a list or what reads as a date."""
    steps = _path(token, start)

    def evaluate(message: Message) -> Value:
        return _scalar(_followed(message, steps)[0])

    def found(message: Message) -> Value:
        value, there = _followed(message, steps)
        return UNDEFINED if _scalar(value) is UNDEFINED else there

    return Expression(Type.BODY, evaluate, 1, token, start, found)


def dollar(token: str, start: int) -> Expression:
    """`$name`: an application property of that very name, `$` and all; else the body's or the system's."""
    other = braced(token, start)

    def evaluate(message: Message) -> Value:
        own = _ignoring_case(message.properties, token)
        return other.evaluate(message) if own is None else units(own)

    return other._replace(evaluate=evaluate, text=token)


def braced(token: str, start: int) -> Expression:
    """`{$name}`: the body's or the system's."""
    if token.lower().startswith(_BODY):
        made = body(token, start)
    elif "[" in token or "]" in token:
        made = Expression(Type.UNDEFINED, lambda _message: UNDEFINED, 1, token, start)
    else:
        made = Expression(Type.STRING, _system(token[1:]), 1, token, start)
    return made._replace(text=f"{{{token}}}")
