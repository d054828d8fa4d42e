"""No request keeps the others waiting: how much is done between two turns of the event loop, whatever is sent."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from benchmarks.service.hostile import bodies, streams
from scoring.service.app import Service
from scoring.service.parsing import AT_ONCE_BYTES
from scoring.service.process import served
from scoring.wire.fast import FastParser
from tests.scoring.service.client import JSON, LINES

# Calls that the interpreter makes between two turns. A piece of a stream may have some ten thousand lines, a request a
# thousand records; what went wrong before made millions.
MAX_CALLS = 150_000

BODIES, STREAMS = dict(bodies()), dict(streams())


class Turns:
    """Counts what the loop's thread does from turn to turn."""

    def __init__(self, monkeypatch) -> None:
        self.most_calls = 0
        self.most_bytes = 0
        self._calls = 0
        self._bytes = 0
        for name in ("parse", "parse_lines"):
            monkeypatch.setattr(FastParser, name, self._counting(getattr(FastParser, name)))

    def _counting(self, parse):
        def counted(parser, given, *args):
            if sys.getprofile() is not None:
                self._bytes += len(given) if isinstance(given, bytes) else sum(map(len, given))
            return parse(parser, given, *args)

        return counted

    @asynccontextmanager
    async def counted(self) -> AsyncIterator[None]:
        ticking = asyncio.create_task(self._tick())
        sys.setprofile(self._count)
        try:
            yield
        finally:
            sys.setprofile(None)
            ticking.cancel()
            await asyncio.wait([ticking])

    def _count(self, _frame, event: str, _arg) -> None:
        if event in ("call", "c_call"):
            self._calls += 1

    async def _tick(self) -> None:
        while True:
            self.most_calls = max(self.most_calls, self._calls)
            self.most_bytes = max(self.most_bytes, self._bytes)
            self._calls = self._bytes = 0
            await asyncio.sleep(0)


async def ask(url: str, body: bytes, headers: dict) -> tuple[int, bytes]:
    async with aiohttp.ClientSession(url) as session, session.post("/score", data=body, headers=headers) as response:
        return response.status, await response.read()


async def count(model, monkeypatch, body: bytes, headers: dict) -> Turns:
    """Send a body from a thread and loop of its own, so that nothing but the service's work is counted."""
    turns = Turns(monkeypatch)
    async with served(Service(model), "127.0.0.1", 0) as url, turns.counted():
        status, _ = await asyncio.to_thread(asyncio.run, ask(url, body, headers))
    assert status < 500
    return turns


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_of_the_largest_size_leaves_the_loop_to_others(model, monkeypatch, name) -> None:
    turns = await count(model, monkeypatch, BODIES[name], JSON)
    assert turns.most_bytes <= AT_ONCE_BYTES
    assert turns.most_calls <= MAX_CALLS


@pytest.mark.whole
@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_leaves_the_loop_to_others(model, monkeypatch, name) -> None:
    turns = await count(model, monkeypatch, STREAMS[name], {**LINES, "Content-Encoding": "gzip"})
    assert turns.most_bytes <= 2 * AT_ONCE_BYTES
    assert turns.most_calls <= MAX_CALLS
