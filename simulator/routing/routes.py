"""Routes: `FROM source [WHERE condition] INTO sink`, and where a message goes by them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer, Tree, UnexpectedEOF, UnexpectedToken, v_args
from lark.exceptions import VisitError

from simulator.errors import ConditionError, RouteError
from simulator.message import Message
from simulator.routing import advice, expression, functions, properties, sources
from simulator.routing.expression import Expression, Operator, Type
from simulator.routing.lexer import KINDS, PlaceError, RouteLexer, words
from simulator.routing.values import UNDEFINED, Value, units
from simulator.specs import RouteSpec

UPSTREAM = "$upstream"
# A route is one value of a twin, so it can be no longer than one.
LONGEST = 4096
# A module can send to as many outputs as it likes; no sensible one has so many that this matters.
MAX_SOURCES = 1_000

_GRAMMAR = f"""
    route: [SELECT STAR] FROM source [WHERE coalesce] INTO sink
    source: (SLASH (STAR | NAME))+
    sink: SYSTEM -> upstream
        | NAME LPAR STRING RPAR -> endpoint
    condition: [coalesce]
    ?coalesce: or_ (COALESCE or_)*
    ?or_: and_ (OR and_)*
    ?and_: equality (AND equality)*
    ?equality: relation (EQUALITY relation)*
    ?relation: total (RELATION total)*
    ?total: product ((PLUS | MINUS | CONCAT) product)*
    ?product: negation ((STAR | SLASH | PERCENT) negation)*
    ?negation: NOT negation -> not_
        | unary
    ?unary: MINUS unary -> minus
        | atom
    ?atom: LPAR coalesce RPAR -> grouped
        | NUMBER -> number
        | HEX -> hexadecimal
        | STRING -> string
        | TRUE -> true
        | FALSE -> false
        | NULL -> null
        | UNDEFINED -> undefined
        | NAME LPAR [coalesce (COMMA coalesce)*] RPAR -> call
        | LBRACE SYSTEM RBRACE -> braced
        | SYSTEM -> dollar
        | NAME -> name
    %declare {" ".join(KINDS)}
"""  # noqa: S608 - SELECT is a word of routes

_PARSER = Lark(
    _GRAMMAR,
    parser="lalr",
    lexer=RouteLexer,
    start=["route", "condition"],
    maybe_placeholders=True,
    keep_all_tokens=True,
)
_ESCAPE = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<other>.))")
_NOTHING = expression.literal(Type.UNDEFINED, UNDEFINED, "", 0)


class Sink(NamedTuple):
    """Where a route leads: a module's input, or upstream (both None)."""

    module: str | None
    input: str | None


class Route(NamedTuple):
    """A route ready to be matched.

    Attributes:
        name: In the manifest.
        source: What the sources of its messages begin with, in small letters.
        condition: What else a message has to meet, if anything.
        sink: Where its messages go.
        priority: 0 goes first.
        time_to_live: Of its messages, in seconds.
        advice: What its author should know, a line each.
    """

    name: str
    source: str
    condition: Expression | None
    sink: Sink
    priority: int
    time_to_live: float
    advice: tuple[str, ...] = ()

    def holds(self, message: Message) -> bool:
        """Whether the condition holds."""
        return self.condition is None or verdict(self.condition, message) is True


class Delivery(NamedTuple):
    """One place that a message goes to."""

    sink: Sink
    priority: int
    time_to_live: float


def verdict(condition: Expression, message: Message) -> Value:
    """What a whole condition says of a message: true, false, or Undefined; only true takes it."""
    value = condition.evaluate(message)
    if condition.type is Type.BODY:
        return True if value is True else UNDEFINED
    if condition.type in {Type.BOOL, Type.NULL}:
        return False if value is None else value
    return UNDEFINED


def _unquoted(token: Token) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found["code"], 16)) if found["code"] else found["other"], token[1:-1])


def _at(token: Token) -> int:
    return token.start_pos or 0


@v_args(inline=True)
class _Compiler(Transformer[Token, Expression]):
    """Makes an expression of a condition's tree; collects what its author should know."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[int, str]] = []

    def _note(self, start: int, notes: Iterable[str]) -> None:
        self.notes += [(start, note) for note in notes]

    def number(self, token: Token) -> Expression:
        try:
            value: Value = float(token)
        except ValueError:
            value = UNDEFINED
            self._note(_at(token), advice.of_number(token))
        return expression.literal(Type.NUMBER, value, token, _at(token))

    def hexadecimal(self, token: Token) -> Expression:
        value = int(token, 16)
        signed = value - (1 << 64) if value >= 1 << 63 else value
        return expression.literal(Type.NUMBER, float(signed), token, _at(token))

    def string(self, token: Token) -> Expression:
        return expression.literal(Type.STRING, units(_unquoted(token)), token, _at(token))

    def true(self, token: Token) -> Expression:
        return expression.literal(Type.BOOL, value=True, text=token, start=_at(token))

    def false(self, token: Token) -> Expression:
        return expression.literal(Type.BOOL, value=False, text=token, start=_at(token))

    def null(self, token: Token) -> Expression:
        return expression.literal(Type.NULL, None, token, _at(token))

    def undefined(self, token: Token) -> Expression:
        return expression.literal(Type.UNDEFINED, UNDEFINED, token, _at(token))

    def name(self, token: Token) -> Expression:
        self._note(_at(token), advice.of_name(token))
        return properties.application(token, _at(token))

    def dollar(self, token: Token) -> Expression:
        made = properties.dollar(token, _at(token))
        if made.type is not Type.BODY:
            self._note(_at(token), advice.of_dollar(token))
        return made

    def braced(self, _open: Token, token: Token, _close: Token) -> Expression:
        return properties.braced(token, _at(token))

    def call(self, token: Token, _open: Token, *rest: Expression | Token | None) -> Expression:
        given = tuple(each for each in rest if isinstance(each, Expression))
        made = functions.called(token, _at(token), given)
        self._note(_at(token), advice.of_call(token, given))
        return made

    def grouped(self, opening: Token, inner: Expression, _close: Token) -> Expression:
        return expression.grouped(inner, _at(opening))

    def minus(self, token: Token, operand: Expression) -> Expression:
        return expression.minus(Operator(token, _at(token)), operand)

    def not_(self, token: Token, operand: Expression) -> Expression:
        return expression.negated(Operator(token, _at(token)), operand)

    def and_(self, *parts: Any) -> Expression:  # noqa: ANN401 - operand, token, operand, ...
        operators = [Operator(token, _at(token)) for token in parts[1::2]]
        return expression.joined_by(parts[::2], operators)

    or_ = and_

    def total(self, left: Expression, *rest: Any) -> Expression:  # noqa: ANN401 - token, operand, token, ...
        for token, right in zip(rest[::2], rest[1::2], strict=True):
            make = {
                "CONCAT": expression.concatenated,
                "COALESCE": expression.defaulted,
                "EQUALITY": self._compared,
                "RELATION": self._compared,
            }.get(token.type, expression.calculated)
            left = make(left, Operator(token, _at(token)), right)
        return left

    product = coalesce = equality = relation = total

    def _compared(self, left: Expression, operator: Operator, right: Expression) -> Expression:
        made = expression.compared(left, operator, right)
        self._note(left.start, advice.of_comparison(left, operator.text, right))
        return made


class Parsed(NamedTuple):
    """A route whose form is right; its condition's types are not looked at yet, as edgeHub does that later.

    Attributes:
        spec: As the manifest has it.
        source: What stands after FROM.
        condition: The condition's tree, if there is one.
        sink: Where it leads.
    """

    spec: RouteSpec
    source: str
    condition: Tree[Token] | Token | None
    sink: Sink

    def compiled(self) -> Route:
        """The route, ready to be matched.

        Raises:
            ConditionError: Its condition compares or gives to functions what has other types.
        """
        compiler = _Compiler()
        condition = None
        if self.condition is not None:
            try:
                condition = _expression(compiler, self.condition)
            except PlaceError as error:
                raise ConditionError(_shown(self.spec, error)) from error
            compiler.notes += [(condition.start, note) for note in advice.of_condition(condition)]
        compiler.notes += [(self.spec.text.index(self.source), note) for note in advice.of_source(self.source)]
        notes = (
            f"route {self.spec.name}, column {start + 1}: {note}"
            for start, note in [*sorted(compiler.notes), *_left_out(self.spec.text)]
        )
        spec, pattern = self.spec, sources.pattern(self.source)
        return Route(spec.name, pattern, condition, self.sink, spec.priority, spec.time_to_live, tuple(notes))


def _left_out(text: str) -> Iterable[tuple[int, str]]:
    """What edgeHub reads over."""
    position = 0
    lexer = RouteLexer(None)
    for token in lexer.lex(text):
        position = token.end_pos or 0
    yield from _comments(text[:position])
    if text[position:].strip():
        yield position, f"{text[position:].strip()!r} behind the sink is left out"


def _expression(compiler: _Compiler, tree: Tree[Token] | Token) -> Expression:
    try:
        made: Expression = compiler.transform(tree)  # type: ignore[arg-type]
    except VisitError as error:
        if isinstance(error.orig_exc, PlaceError):
            raise error.orig_exc from error
        raise
    return made


def _parsed(text: str, start: str) -> Tree[Token]:
    try:
        return _PARSER.parse(text, start=start)
    except UnexpectedEOF as error:
        raise PlaceError(len(text), "Syntax error: it ends too early") from error
    except UnexpectedToken as error:
        if error.token.type == "$END":
            raise PlaceError(len(text), "Syntax error: it ends too early") from error
        raise PlaceError(error.token.start_pos, f"Syntax error: {error.token} cannot stand here") from error


def compile_condition(text: str) -> Expression:
    """Compile a condition alone; one that is empty is Undefined.

    Raises:
        PlaceError: It is none.
    """
    (tree,) = _parsed(text, "condition").children
    return _NOTHING if tree is None else _expression(_Compiler(), tree)


def parse_route(spec: RouteSpec) -> Parsed:
    """Read a route.

    Raises:
        RouteError: It is not one; the message names the route and points at the column.
    """
    if len(spec.text) > LONGEST:
        raise RouteError(f"route {spec.name} has {len(spec.text)} characters; a twin's value holds {LONGEST}")
    try:
        children = [each for each in _parsed(spec.text, "route").children if each is not None]
        found = {str(each.data): each for each in children if isinstance(each, Tree)}
        source, sink = found["source"], found.get("upstream") or found["endpoint"]
        where = [index for index, each in enumerate(children) if isinstance(each, Token) and each.type == "WHERE"]
        return Parsed(spec, _source(source), children[where[0] + 1] if where else None, _sink(sink))
    except PlaceError as error:
        raise RouteError(_shown(spec, error)) from error


def _source(tree: Tree[Token]) -> str:
    return "".join(each for each in tree.children if isinstance(each, Token))


def _sink(tree: Tree[Token]) -> Sink:
    first, *rest = (each for each in tree.children if isinstance(each, Token))
    if not rest:
        if first.lower() != UPSTREAM:
            raise PlaceError(_at(first), f"there is no sink {first}; there are {UPSTREAM} and BrokeredEndpoint")
        return Sink(None, None)
    if first.lower() != "brokeredendpoint":
        raise PlaceError(_at(first), f"there is no sink {first}; there are {UPSTREAM} and BrokeredEndpoint")
    text = rest[1]
    # As there, the first and the third word are not looked at.
    parts = _unquoted(text).removeprefix("/").removesuffix("/").split("/")
    if len(parts) != 4 or not all(parts):
        raise PlaceError(_at(text), f"{text} is not /modules/NAME/inputs/NAME")
    return Sink(parts[1], parts[3])


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in words(text):
        if token.type == "COMMENT":
            yield _at(token), f"{json.dumps(str(token), ensure_ascii=False)} is a comment, and left out"


def _shown(spec: RouteSpec, error: PlaceError) -> str:
    with suppress(PlaceError):
        error = next((PlaceError(error.start, f"{error}; {told}") for _, told in _comments(spec.text)), error)
    if error.start is None:
        return f"route {spec.name}: {error}\n  {spec.text}"
    return f"route {spec.name}, column {error.start + 1}: {error}\n  {spec.text}\n  {' ' * error.start}^"


def compile_route(spec: RouteSpec) -> Route:
    """Make a route that can be matched.

    Raises:
        RouteError: It is not one; ConditionError if only its condition's types are wrong.
    """
    return parse_route(spec).compiled()


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
        """The routes whose source is that of the messages, or begins it."""
        routes = self._by_source.get(source)
        if routes is None:
            if len(self._by_source) >= MAX_SOURCES:
                self._by_source.clear()
            routes = [route for route in self.routes if sources.takes(route.source, source)]
            self._by_source[source] = routes
        return routes
