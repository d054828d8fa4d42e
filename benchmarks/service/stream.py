"""Streams lines to the service and counts those that come back; a process of its own.

    python -m benchmarks.service.stream PORT LINES TIMES

Writes the number of answers and the seconds that they took.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

_ANSWER = b'"ModelVersion"'


async def stream(port: int, lines: bytes, times: int) -> tuple[int, float]:
    """Send lines so many times over; how many were answered with a prediction, in how many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    started = time.perf_counter()
    head = "POST /score HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/x-ndjson"
    writer.write(f"{head}\r\nContent-Length: {len(lines) * times}\r\n\r\n".encode())

    async def send() -> None:
        for _ in range(times):
            writer.write(lines)
            await writer.drain()

    sending = asyncio.create_task(send())
    answers = 0
    rest = b""
    while piece := await reader.read(1 << 20):
        rest += piece
        answers += rest.count(_ANSWER)
        rest = rest[-len(_ANSWER) + 1 :]
    await sending
    writer.close()
    return answers, time.perf_counter() - started


def main() -> None:
    port, lines, times = sys.argv[1:]
    answers, seconds = asyncio.run(stream(int(port), Path(lines).read_bytes(), int(times)))
    sys.stdout.write(f"{answers} {seconds}\n")


if __name__ == "__main__":
    main()
