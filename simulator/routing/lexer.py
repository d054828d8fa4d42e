"""The words of routes. A name holds whatever ends none, so blanks around operators matter: `a-b` is one name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import Token
from lark.lexer import Lexer

from simulator.errors import RouteError

# What no name holds.
_ENDS = r"()<>@,;:\\\"/?={}\s"
# The longest that fits is taken; of two as long, the one that stands first.
_TOKENS = [
    ("STRING", r""""(?:[^"\\]|\\["'\\]|\\u[0-9a-fA-F]{4})*"|'(?:[^'\\]|\\["'\\]|\\u[0-9a-fA-F]{4})*'"""),
    ("HEX", r"0[xX][0-9a-fA-F]+"),
    ("NUMBER", r"-?\d+"),
    # Without digits before its exponent it is no number that can be read, but no name either.
    ("NUMBER", r"-?\d*\.\d+(?:[eE][+-]?\d+)?|-?\d*[eE][+-]?\d+"),
    ("TRUE", "true"),
    ("FALSE", "false"),
    ("NULL", "null"),
    ("UNDEFINED", "undefined"),
    *((word, f"(?i:{word})") for word in ("AND", "OR", "NOT", "SELECT", "FROM", "WHERE", "INTO")),
    ("COALESCE", r"\?\?"),
    ("CONCAT", r"\|\|"),
    ("EQUALITY", "=|!=|<>"),
    ("RELATION", "<=|>=|<|>"),
    ("STAR", r"\*"),
    ("SLASH", "/"),
    ("PERCENT", "%"),
    ("PLUS", r"\+"),
    ("MINUS", "-"),
    ("LPAR", r"\("),
    ("RPAR", r"\)"),
    ("COMMA", ","),
    ("LBRACE", r"\{"),
    ("RBRACE", r"\}"),
    ("SYSTEM", rf"\$[^{_ENDS}]+"),
    ("NAME", rf"[^{_ENDS}\[\]]+"),
    ("COMMENT", r"(?s:/\*.*?\*/)"),
    ("BLANK", r"\s+"),
]
_COMPILED = [(kind, re.compile(pattern)) for kind, pattern in _TOKENS]
KINDS = sorted({kind for kind, _ in _TOKENS} - {"COMMENT", "BLANK"})


class PlaceError(RouteError):
    """A fault at a place in a route.

    Attributes:
        start: Where, in characters from 0; None if it is all of it.
    """

    def __init__(self, start: int | None, message: str) -> None:
        super().__init__(message)
        self.start = start


def words(text: str) -> Iterator[Token]:
    """The words of a text, comments among them.

    Raises:
        PlaceError: Something begins no word.
    """
    position = 0
    while position < len(text):
        kind, end = "", position
        for each, pattern in _COMPILED:
            found = pattern.match(text, position)
            if found and found.end() > end:
                kind, end = each, found.end()
        if not kind:
            raise PlaceError(position, _symbol(text[position]))
        if kind != "BLANK":
            yield Token(kind, text[position:end], position, 1, position + 1, 1, end + 1, end)
        position = end


def _symbol(character: str) -> str:
    if character in "\"'":
        return "Syntax error: unterminated string"
    return f"Syntax error: invalid symbol '{character}'"


class RouteLexer(Lexer):
    """Lark's way to the words of a route: comments left out, and what stands behind the sink, as edgeHub ignores it."""

    def __init__(self, _conf: object) -> None:
        """Prepare; there is nothing to set."""

    def lex(self, data: Any) -> Iterator[Token]:  # type: ignore[override]  # noqa: ANN401 - lark's own, or a text
        """The words."""
        sink: list[str] = []
        for token in words(str(data)):
            if token.type == "COMMENT":
                continue
            yield token
            if sink or token.type == "INTO":
                sink.append(token.type)
            if sink[1:2] == ["SYSTEM"] or "RPAR" in sink:
                return
