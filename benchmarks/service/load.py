"""A caller that asks as fast as it is answered, over connections that it keeps; a process of its own.

    python -m benchmarks.service.load PORT PATH BODY CONNECTIONS SECONDS

Writes one line of JSON: answers, answers that were no 200, and the seconds that each took.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Caller(asyncio.Protocol):
    """One connection: a request, its answer, the next request; made anew where a server closes it."""

    def __init__(self, request: bytes, until: float, seconds: list[float], refused: list[bytes]) -> None:
        self._request = request
        self._until = until
        self._seconds = seconds
        self._refused = refused
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._expected is None and (end := self._buffer.find(b"\r\n\r\n")) > 0:
            length = _LENGTH.search(self._buffer, 0, end)
            if length is None:
                raise RuntimeError(f"an answer without a length: {bytes(self._buffer[:200])!r}")
            self._expected = end + 4 + int(length[1])
        if self._expected is not None and len(self._buffer) >= self._expected:
            now = time.perf_counter()
            self._seconds.append(now - self._asked)
            if not self._buffer.startswith(b"HTTP/1.1 200"):
                self._refused.append(bytes(self._buffer[:300]))
            if now < self._until:
                self._ask()
            else:
                self._transport.close()

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _ask(self) -> None:
        self._buffer = bytearray()
        self._expected: int | None = None
        self._asked = time.perf_counter()
        self._transport.write(self._request)


async def call(port: int, path: str, body: bytes, connections: int, seconds: float) -> tuple[list[float], list[bytes]]:
    """Ask over so many connections for so long; the seconds of each answer, and those that were no 200."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    request = f"{head}\r\n\r\n".encode() + body
    taken: list[float] = []
    refused: list[bytes] = []
    until = time.perf_counter() + seconds

    async def connection() -> None:
        loop = asyncio.get_running_loop()
        while time.perf_counter() < until:
            _, caller = await loop.create_connection(lambda: Caller(request, until, taken, refused), "127.0.0.1", port)
            await caller.closed

    await asyncio.gather(*(connection() for _ in range(connections)))
    return taken, refused


def main() -> None:
    port, path, body, connections, seconds = sys.argv[1:]
    content = Path(body).read_bytes()
    taken, refused = asyncio.run(call(int(port), path, content, int(connections), float(seconds)))
    sys.stdout.write(json.dumps({"seconds": taken, "refused": [each.decode("latin-1") for each in refused]}))


if __name__ == "__main__":
    main()
