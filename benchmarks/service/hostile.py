"""Bodies of a permitted size that give a service as much to do as possible, by name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

_MEGABYTE = 1024 * 1024
_LINE = 256 * 1024
_ROW = [1] * 25


def bodies(size: int = _MEGABYTE) -> Iterator[tuple[str, bytes]]:
    """JSON texts of so many bytes at most."""
    window = json.dumps({"rows": [[cycle, *_ROW[1:]] for cycle in range(1, 51)]}, separators=(",", ":")).encode()
    life = json.dumps(
        {"rows": [[cycle, *_ROW[1:]] for cycle in range(1, 1001)], "each": True}, separators=(",", ":")
    ).encode()
    yield "a name again and again", b"{" + _listed(b'"a":1', size) + b"}"
    yield "many names", b"{" + b",".join(b'"%06x":1' % number for number in range(size // 11)) + b"}"
    yield "lists, deep", b"[" * size
    yield "objects, deep", b'{"a":' * (size // 5)
    yield "empty objects", b"[" + _listed(b"{}", size) + b"]"
    yield "small objects", b"[" + _listed(b'{"a":1}', size) + b"]"
    yield "empty lists", b"[" + _listed(b"[]", size) + b"]"
    yield "short numbers", b"[" + _listed(b"1", size) + b"]"
    yield "numbers of 300 digits", b"[" + _listed(b"9" * 300, size) + b"]"
    yield "one long number", b"9" * size
    yield "escapes", b'"' + b"\\u00e9" * (size // 6 - 1) + b'"'
    yield "one wide row", b'{"rows":[[' + _listed(b"1", size - 20) + b"]]}"
    yield "windows", b"[" + _listed(window, size) + b"]"
    yield "windows, the last one wrong", b"[" + _listed(window, size - 20) + b",1]"
    yield "trajectories", b"[" + _listed(life, size) + b"]"
    yield "a trajectory whose last row is wrong", life[:-15] + b',1],"each":true}'


def streams() -> Iterator[tuple[str, bytes]]:
    """Bodies of lines, compressed by gzip; they may be of any length, and each is long enough to show what it does."""
    yield "blank lines", gzip.compress(b"\n" * 20 * _MEGABYTE)
    yield "blank lines and a number now and then", gzip.compress((b"\n" * _MEGABYTE + b"1\n") * 2)
    yield "lines with a blank", gzip.compress(b" \n" * 4 * _MEGABYTE)
    yield "short lines", gzip.compress(b"1\n" * 20_000)
    yield "gzip members without content", gzip.compress(b"") * 10_000
    yield "gzip members with a line each", gzip.compress(b"1\n") * 2_000
    for name, body in bodies(_LINE - 1):
        yield f"lines: {name}", gzip.compress(b"\n".join([body] * 8))


def _listed(item: bytes, size: int) -> bytes:
    return b",".join([item] * ((size - 2) // (len(item) + 1)))
