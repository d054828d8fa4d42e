"""Routes: `FROM source [WHERE condition] INTO sink`, and where a message goes by them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, v_args
from lark.exceptions import VisitError

from simulator import condition
from simulator.condition import Expression
from simulator.errors import RouteError
from simulator.manifest import RouteSpec
from simulator.message import Message

UPSTREAM = "$upstream"
# A route is one value of a twin, so it can be no longer than one.
LONGEST = 4096
# A module can send to as many outputs as it likes; no sensible one has so many that this matters.
MOST_SOURCES = 1_000
# What the real hub has as sources and this one does not.
LEFT_OUT = ("/twinchangenotifications", "/devicelifecycleevents", "/modulelifecycleevents", "/deviceconnection")

GRAMMAR = r"""
    route: "FROM"i SOURCE ["WHERE"i or_] "INTO"i sink
    sink: UPSTREAM -> upstream
        | "BrokeredEndpoint"i "(" STRING ")" -> brokered

    ?or_: and_ ("OR"i and_)*
    ?and_: not_ ("AND"i not_)*
    ?not_: "NOT"i not_ -> negation
         | equality
    ?equality: relation (EQUALITY relation)*
    ?relation: unary (RELATION unary)*
    ?unary: "-" unary -> minus
          | atom
    ?atom: "(" or_ ")"
         | NUMBER -> number
         | STRING -> string
         | "TRUE"i -> true
         | "FALSE"i -> false
         | "NULL"i -> null
         | "UNDEFINED"i -> undefined
         | NAME "(" [or_ ("," or_)*] ")" -> call
         | BODY -> body
         | SYSTEM -> system
         | NAME -> application
    SOURCE: /\/\S*/
    UPSTREAM.2: /\$upstream\b/i
    EQUALITY.2: "=" | "!=" | "<>"
    RELATION: "<=" | ">=" | "<" | ">"
    NUMBER: /\d+(\.\d+)?([eE][+-]?\d+)?/
    STRING: /"([^"\\]|\\.)*"|'([^'\\]|\\.)*'/
    BODY.2: /\$body\b(\s*\.\s*[a-z_]\w*|\s*\[\s*\d+\s*\])*/i
    SYSTEM: /\$[A-Za-z_][\w-]*/
    NAME: /[a-z_]\w*/i
    %import common.WS
    %ignore WS
"""

BODY_STEP = re.compile(r"\.\s*(\w+)|\[\s*(\d+)")


class Sink(NamedTuple):
    """Where a route leads: a module's input, or upstream (both None)."""

    module: str | None
    input: str | None


class Route(NamedTuple):
    """A route ready to be matched; its source in small letters."""

    name: str
    source: str
    condition: Expression | None
    sink: Sink
    priority: int
    time_to_live: float

    def holds(self, message: Message) -> bool:
        """Whether the condition holds."""
        return self.condition is None or self.condition.evaluate(message) is True


class Delivery(NamedTuple):
    """One place that a message goes to."""

    sink: Sink
    priority: int
    time_to_live: float


def _unquoted(token: Token) -> str:
    text = str(token)[1:-1]
    result, position = [], 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        result.append(text[position])
        position += 1
    return "".join(result)


class _At(Exception):  # noqa: N818 - carries a place through lark, never seen outside
    def __init__(self, column: int | None, message: str) -> None:
        super().__init__(message)
        self.column = column


@v_args(inline=True)
class _Compiler(Transformer[Token, Any]):
    def number(self, token: Token) -> Expression:
        return condition.literal(float(token))

    def string(self, token: Token) -> Expression:
        return condition.literal(_unquoted(token))

    def true(self) -> Expression:
        return condition.literal(value=True)

    def false(self) -> Expression:
        return condition.literal(value=False)

    def null(self) -> Expression:
        return condition.literal(None)

    def undefined(self) -> Expression:
        return condition.literal(condition.UNDEFINED)

    def application(self, token: Token) -> Expression:
        return condition.application_property(str(token))

    def system(self, token: Token) -> Expression:
        if str(token).lower() == "$twin":
            raise _At(token.column, "edgeHub has no $twin in conditions")
        return condition.system_property(str(token)[1:])

    def body(self, token: Token) -> Expression:
        return condition.body_value(
            [int(index) if index else name for name, index in BODY_STEP.findall(str(token)[len("$body") :])]
        )

    def minus(self, operand: Expression) -> Expression:
        return _shallow(condition.minus(operand))

    def negation(self, operand: Expression) -> Expression:
        return _shallow(condition.negation(operand))

    def equality(self, left: Expression, *rest: Any) -> Expression:  # noqa: ANN401 - token, operand, token, ...
        for operator, right in zip(rest[::2], rest[1::2], strict=True):
            left = _shallow(condition.comparison(left, str(operator), right))
        return left

    relation = equality

    def and_(self, *operands: Expression) -> Expression:
        return _shallow(condition.junction(operands, decisive=False))

    def or_(self, *operands: Expression) -> Expression:
        return _shallow(condition.junction(operands, decisive=True))

    def call(self, token: Token, *arguments: Expression | None) -> Expression:
        name = str(token).lower()
        given = [argument for argument in arguments if argument is not None]
        limits = condition.arity(name)
        if limits is None:
            raise _At(token.column, f"there is no function {token}")
        if not limits[0] <= len(given) <= limits[1]:
            raise _At(token.column, f"{token} does not take {len(given)} arguments")
        return _shallow(condition.call(name, given))

    def upstream(self, _token: Token) -> Sink:
        return Sink(None, None)

    def brokered(self, token: Token) -> Sink:
        parts = _unquoted(token).strip("/").split("/")
        if len(parts) != 4 or parts[0] != "modules" or parts[2] != "inputs" or not parts[1] or not parts[3]:
            raise _At(token.column, f"{token} is not /modules/NAME/inputs/NAME")
        return Sink(parts[1], parts[3])

    def route(self, source: Token, where: Expression | None, sink: Sink) -> tuple[str, Expression | None, Sink]:
        text = str(source).lower()
        if text.startswith(LEFT_OUT):
            raise _At(source.column, f"the simulator has no source {source}; the real hub has")
        return text.removesuffix("*"), where, sink


def _shallow(expression: Expression) -> Expression:
    if expression.depth > condition.DEEPEST:
        raise _At(None, f"the condition is nested more than {condition.DEEPEST} deep")
    return expression


_PARSER = Lark(GRAMMAR, parser="lalr", lexer="basic", start="route", maybe_placeholders=True)
_COMPILER = _Compiler()


def compile_route(spec: RouteSpec) -> Route:
    """Parse a route.

    Raises:
        RouteError: it is not one; the message names the route and points at the column.
    """
    if len(spec.text) > LONGEST:
        message = f"route {spec.name} has {len(spec.text)} characters; a twin's value holds {LONGEST}"
        raise RouteError(message)
    try:
        source, where, sink = _COMPILER.transform(_PARSER.parse(spec.text))
    except UnexpectedEOF as error:
        raise _error(spec, len(spec.text) + 1, "the route ends too early") from error
    except UnexpectedToken as error:
        wrong = "the route ends too early" if error.token.type == "$END" else f"{error.token} cannot stand here"
        column = len(spec.text) + 1 if error.token.type == "$END" else error.column
        raise _error(spec, column, wrong) from error
    except UnexpectedCharacters as error:
        wrong = f"{error.char!r} cannot stand here"
        raise _error(spec, error.column, wrong) from error
    except VisitError as error:
        if isinstance(error.orig_exc, _At):
            raise _error(spec, error.orig_exc.column, str(error.orig_exc)) from error
        raise
    return Route(spec.name, source, where, sink, spec.priority, spec.time_to_live)


def _error(spec: RouteSpec, column: int | None, wrong: str) -> RouteError:
    if column is None:
        return RouteError(f"route {spec.name}: {wrong}\n  {spec.text}")
    return RouteError(f"route {spec.name}, column {column}: {wrong}\n  {spec.text}\n  {' ' * (column - 1)}^")


class Router:
    """The routes of a manifest."""

    def __init__(self, specs: Iterable[RouteSpec]) -> None:
        self.routes = [compile_route(spec) for spec in specs]
        self._by_source: dict[str, list[Route]] = {}

    def deliveries(self, message: Message) -> list[Delivery]:
        """Where a message goes: each sink once, by its matching route of the lowest priority number."""
        found: dict[Sink, Route] = {}
        for route in self._from(message.source):
            best = found.get(route.sink)
            if (best is None or route.priority < best.priority) and route.holds(message):
                found[route.sink] = route
        return [Delivery(sink, route.priority, route.time_to_live) for sink, route in found.items()]

    def _from(self, source: str) -> list[Route]:
        """The routes whose source is a prefix of this one, ignoring case."""
        routes = self._by_source.get(source)
        if routes is None:
            if len(self._by_source) >= MOST_SOURCES:
                self._by_source.clear()
            lower = source.lower()
            routes = [route for route in self.routes if lower.startswith(route.source)]
            self._by_source[source] = routes
        return routes
