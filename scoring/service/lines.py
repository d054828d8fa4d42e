"""Streams of lines: each record or window is answered by a line of its own, in order, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from aiohttp import ClientError, web

from scoring.errors import InvalidTelemetry
from scoring.items import Item
from scoring.service.batching import Answers, Batcher
from scoring.service.body import lines, pieces
from scoring.service.fast import FastParser
from scoring.service.gzip import GzipPacker
from scoring.service.limits import Limits
from scoring.service.meters import Meters
from scoring.service.refusal import Fault, Refusal, compact, failed
from scoring.telemetry import Reason

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/x-ndjson"

# Groups of a stream that are being scored or written: enough that reading, scoring and writing go on side by side.
_GROUPS = 4


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines that are scored together: by line number, what is wrong with it or None; and answers to the others."""

    lines: Sequence[tuple[int, InvalidTelemetry | None]]
    answers: asyncio.Future[Answers]


class LineScorer:
    """Answers streams."""

    def __init__(self, parser: FastParser, batcher: Batcher, limits: Limits, meters: Meters) -> None:
        self._parser = parser
        self._batcher = batcher
        self._limits = limits
        self._meters = meters

    async def answer(self, request: web.Request, response: web.StreamResponse, packer: GzipPacker | None) -> None:
        """Answer each line of a request by a line of the prepared response, compressed if there is a packer.

        What ends a stream before its time is told in its last line.

        Raises:
            TimeoutError: The caller does not read the answer.
            ConnectionError: The caller has gone.
        """
        groups: asyncio.Queue[_Group | Fault | None] = asyncio.Queue(_GROUPS)
        reading = asyncio.create_task(self._read(request, groups))
        try:
            while group := await groups.get():
                text = _error(group) if isinstance(group, Fault) else self._text(group, await _answers(group))
                await self._write(response, packer.pack(text.encode()) if packer else text.encode())
            if packer:
                await self._write(response, packer.end())
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        async with asyncio.timeout(self._limits.seconds):
            await response.write(data)

    async def _read(self, request: web.Request, groups: asyncio.Queue[_Group | Fault | None]) -> None:
        try:
            async for numbered in self._numbered(request):
                await groups.put(await self._group(numbered))
        except Refusal as refusal:
            await groups.put(refusal.faults[0])
        except TimeoutError:
            await groups.put(Fault("too_slow", f"no data for {self._limits.seconds:g} s"))
        except (ClientError, ConnectionError) as error:
            await groups.put(Fault("disconnected", f"the request broke off: {error}"))
        except Exception:
            log.exception("reading a stream failed")
            await groups.put(failed().faults[0])
        await groups.put(None)

    async def _numbered(self, request: web.Request) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        """The stream's lines with their numbers from 1, at most a full batch at a time, without empty ones."""
        arriving = lines(pieces(request), self._limits.line_bytes)
        number = 0
        while True:
            async with asyncio.timeout(self._limits.seconds):
                complete = await anext(arriving, None)
            if complete is None:
                return
            numbered = [
                (at, line) for at, line in enumerate(complete, start=number + 1) if line is None or line.strip()
            ]
            number += len(complete)
            for start in range(0, len(numbered), self._limits.batch):
                yield numbered[start : start + self._limits.batch]

    async def _group(self, numbered: Sequence[tuple[int, bytes | None]]) -> _Group:
        parsed: list[tuple[int, InvalidTelemetry | None]] = []
        items: list[Item] = []
        for number, line in numbered:
            try:
                items.append(self._item(line))
                parsed.append((number, None))
            except InvalidTelemetry as invalid:
                parsed.append((number, invalid))
        return _Group(parsed, await self._batcher.submit(items))

    def _item(self, line: bytes | None) -> Item:
        if line is None:
            raise InvalidTelemetry(Reason.TOO_LARGE, f"the line has more than {self._limits.line_bytes} bytes")
        return self._parser.parse_line(line)

    def _text(self, group: _Group, answers: Answers | Fault) -> str:
        if isinstance(answers, Fault):
            return "".join(_error(answers, number) for number, _ in group.lines)
        scored = iter(answers)
        all_answers = [invalid or next(scored) for _, invalid in group.lines]
        self._meters.count(all_answers)
        written = []
        for (number, _), answer in zip(group.lines, all_answers, strict=True):
            if isinstance(answer, InvalidTelemetry):
                written.append(_error(Fault.of(answer), number))
            else:
                written.append(f"{compact(answer.record())}\n")
        return "".join(written)


async def _answers(group: _Group) -> Answers | Fault:
    try:
        return await group.answers
    except Refusal as refusal:
        return refusal.faults[0]


def _error(fault: Fault, number: int | None = None) -> str:
    error = fault.record() if number is None else {**fault.record(), "line": number}
    return f"{compact({'error': error})}\n"
