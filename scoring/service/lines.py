"""Streams of lines: each record or window is answered by a line of its own, in order, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, web

from scoring.errors import InvalidTelemetry, Reason, TableError
from scoring.predictions.table import JsonObject
from scoring.service.batching import Answers, Batcher
from scoring.service.body import lines, pieces
from scoring.service.gzip import GzipPacker
from scoring.service.limits import Limits
from scoring.service.meters import ServiceMeters
from scoring.service.parsing import Parsing
from scoring.service.refusal import Fault, Refusal, come_again, encoded_lines, failed
from scoring.telemetry.items import Item, batches
from scoring.wire.csv_table import CsvTable

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/x-ndjson"
TABLE = "text/csv"
"""A table whose rows are lines; they are answered as the lines of a stream are."""

# Groups of a stream that are being scored or written: enough that reading, scoring and writing go on side by side.
_GROUPS = 4


_Numbered = list[tuple[int, bytes | None]]
"""Lines with their numbers; None in place of one that is too long."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines that are scored together.

    Attributes:
        numbers: The lines' numbers.
        invalid: By number, what is wrong with a line.
        calls: The others, some at a time: how many lines, and their answers.
    """

    numbers: Sequence[int]
    invalid: Mapping[int, InvalidTelemetry]
    calls: Sequence[tuple[int, asyncio.Future[Answers]]]


class LineScorer:
    """Answers streams."""

    def __init__(self, parsing: Parsing, batcher: Batcher, limits: Limits, meters: ServiceMeters) -> None:
        self._parsing = parsing
        self._batcher = batcher
        self._limits = limits
        self._meters = meters
        self._ending = False
        self._waiting: set[asyncio.Timeout] = set()
        """The streams that wait for their callers."""

    def end(self) -> None:
        """Read no more; what has been read is still answered, and each stream's last line says why it is the last."""
        self._ending = True
        for waiting in self._waiting:
            waiting.reschedule(0.0)

    async def answer(self, request: web.Request, response: web.StreamResponse, packer: GzipPacker | None) -> None:
        """Answer each line of a request by a line of the prepared response, compressed if there is a packer.

        What ends a stream before its time is told in its last line.

        Args:
            request: Whose body is the stream.
            response: Prepared; its lines are written to it.
            packer: Compresses them; None: they go as they are.

        Raises:
            TimeoutError: The caller does not read the answer.
            ConnectionError: The caller has gone.
        """
        groups: asyncio.Queue[_Group | Fault | None] = asyncio.Queue(_GROUPS)
        reading = asyncio.create_task(self._read(request, groups))
        try:
            while group := await groups.get():
                text = encoded_lines([_error(group)]) if isinstance(group, Fault) else await self._text(group)
                await self._write(response, packer.pack(text) if packer else text)
            if packer:
                await self._write(response, packer.end())
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._limits.seconds):
            await response.write(data)

    async def _read(self, request: web.Request, groups: asyncio.Queue[_Group | Fault | None]) -> None:
        table = None
        try:
            async for numbered in self._numbered(request):
                if request.content_type == TABLE and table is None:
                    table = self._parsing.table(numbered[0][1] or b"")
                    del numbered[0]
                if numbered:
                    await groups.put(await self._group(numbered, table))
        except Refusal as refusal:
            await groups.put(refusal.faults[0])
        except TableError as error:
            await groups.put(Fault("columns", str(error)))
        except (ClientError, ConnectionError) as error:
            await groups.put(Fault("disconnected", f"the request broke off: {error}"))
        except Exception:
            log.exception("reading a stream failed")
            await groups.put(failed().faults[0])
        await groups.put(None)

    async def _numbered(self, request: web.Request) -> AsyncIterator[_Numbered]:
        """The stream's lines with their numbers from 1, at most a full batch at a time, without empty ones."""
        arriving = lines(pieces(request), self._limits.line_bytes, self._limits.barren_bytes)
        while True:
            numbered = await self._next(arriving)
            if numbered is None:
                return
            for start in range(0, len(numbered), self._limits.batch):
                yield numbered[start : start + self._limits.batch]

    async def _next(self, arriving: AsyncIterator[_Numbered]) -> _Numbered | None:
        """The lines that come next; None at the stream's end.

        Raises:
            Refusal: The caller sends none in time, or the service is ending.
        """
        waiting = asyncio.timeout(0.0 if self._ending else self._limits.seconds)
        self._waiting.add(waiting)
        try:
            async with waiting:
                return await anext(arriving, None)
        except TimeoutError as error:
            if self._ending:
                raise come_again("ending", "the service is ending; send again what has no answer") from error
            raise Refusal(408, [Fault("too_slow", f"no data for {self._limits.seconds:g} s")]) from error
        finally:
            self._waiting.discard(waiting)

    async def _group(self, numbered: _Numbered, table: CsvTable | None) -> _Group:
        items: list[Item] = []
        invalid: dict[int, InvalidTelemetry] = {}
        parsed = iter(await self._parsing.lines([line for _, line in numbered if line is not None], table))
        for number, line in numbered:
            item = self._overlong() if line is None else next(parsed)
            if isinstance(item, InvalidTelemetry):
                invalid[number] = item
            else:
                items.append(item)
        calls = [(len(some), await self._batcher.submit(some)) for some in batches(items, self._limits.batch)]
        return _Group([number for number, _ in numbered], invalid, calls)

    def _overlong(self) -> InvalidTelemetry:
        return InvalidTelemetry(Reason.TOO_LARGE, f"the line has more than {self._limits.line_bytes} bytes")

    async def _text(self, group: _Group) -> bytes:
        """The lines that answer a group's, once it is scored."""
        self._meters.count_refused(group.invalid.values())
        scored: list[JsonObject | InvalidTelemetry | Fault] = []
        for count, answers in group.calls:
            try:
                scored += await answers
            except Refusal as refusal:
                scored += [refusal.faults[0]] * count
        self._meters.count_refused(answer for answer in scored if isinstance(answer, InvalidTelemetry))
        rest = iter(scored)
        return encoded_lines(_told(group.invalid.get(number) or next(rest), number) for number in group.numbers)


def _told(answer: JsonObject | InvalidTelemetry | Fault, number: int) -> dict[str, Any]:
    """An answer as it is sent."""
    if isinstance(answer, InvalidTelemetry):
        answer = Fault.of(answer)
    return _error(answer, number) if isinstance(answer, Fault) else answer


def _error(fault: Fault, number: int | None = None) -> dict[str, Any]:
    return {"error": fault.record() if number is None else {**fault.record(), "line": number}}
