"""Parsing beside the event loop: what takes long must not keep other callers waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

from scoring.errors import InvalidTelemetry
from scoring.telemetry.items import Item
from scoring.wire.csv_table import CsvTable
from scoring.wire.fast import FastParser

Parsed = TypeVar("Parsed")

# A piece of a stream with a window's line that began before it. The worst that so many bytes can hold keeps a core for
# tens of milliseconds, and handing them to a thread costs a hundredth of what parsing them does.
AT_ONCE_BYTES = 96 * 1024


class Parsing:
    """Parses short bodies at once, and long ones in a thread, one after the other.

    So all of them together take no more than one thread's share of the interpreter. Use as a context.
    """

    def __init__(self, parser: FastParser) -> None:
        self._parser = parser
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parsing")

    def __enter__(self) -> Parsing:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def body(self, body: bytes, most: int) -> tuple[list[Item | InvalidTelemetry], bool]:
        """Parse one object or a list of at most so many, as `FastParser.parse` does.

        Raises:
            InvalidTelemetry: The whole body is unusable: its encoding, JSON or shape.
        """
        return await self._parsed(len(body), lambda: self._parser.parse(body, most))

    async def lines(self, lines: Sequence[bytes], table: CsvTable | None = None) -> list[Item | InvalidTelemetry]:
        """Parse the lines of a stream, or of a table; one that cannot be scored comes back as its error."""
        return await self._parsed(sum(map(len, lines)), lambda: (table or self._parser).parse_lines(lines))

    def table(self, header: bytes) -> CsvTable:
        """A table with this header.

        Raises:
            TableError: It does not name all fields, or one of them twice.
        """
        return CsvTable(header, self._parser.careful)

    async def _parsed(self, size: int, parse: Callable[[], Parsed]) -> Parsed:
        if size <= AT_ONCE_BYTES:
            return parse()
        return await asyncio.get_running_loop().run_in_executor(self._thread, parse)
