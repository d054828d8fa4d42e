"""Bodies of requests: read and inflated piece by piece, so that no body takes more memory than it may."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

from aiohttp import web

from scoring.service.refusal import Fault, Refusal

# What one step of inflating gives at most; gzip can make a megabyte of a kilobyte.
_PIECE_BYTES = 64 * 1024
_GZIP = 31  # zlib: a window of 32 kB in gzip's form


async def pieces(request: web.Request) -> AsyncIterator[bytes]:
    """A body as it arrives, inflated, in pieces that are small; others have their turn after each.

    Raises:
        Refusal: It has an encoding other than gzip, or is not gzip although it says so.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("gzip", "identity"):
        raise Refusal(
            415,
            [Fault("content_encoding", f"the body is encoded as {encoding[:40]!r}; send it as gzip, or as it is")],
            {"Accept-Encoding": "gzip"},
        )
    arriving = request.content.iter_any()
    async for piece in inflated(arriving) if encoding == "gzip" else arriving:
        for start in range(0, max(1, len(piece)), _PIECE_BYTES):
            yield piece[start : start + _PIECE_BYTES]
            # What is there already is read without waiting for it, a gzip member without content as well.
            await asyncio.sleep(0)


async def read(request: web.Request, most: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: As `pieces`, or it has more than `most` bytes.
    """
    # A small body is here whole, with the request's head.
    arrived = request.content.read_nowait() if is_here(request) else b""
    if arrived:
        _check_length(arrived, most)
        return arrived
    body = bytearray()
    async for piece in pieces(request):
        body += piece
        _check_length(body, most)
    return bytes(body)


def is_here(request: web.Request) -> bool:
    """Whether nothing of a body is still to come, or to be inflated."""
    return request.content.is_eof() and "Content-Encoding" not in request.headers


def _check_length(body: bytes | bytearray, most: int) -> None:
    if len(body) > most:
        told = f"the body has more than {most} bytes; send lines (application/x-ndjson) instead"
        raise Refusal(413, [Fault("too_large", told)])


async def lines(
    arriving: AsyncIterator[bytes], most: int, barren: int
) -> AsyncIterator[list[tuple[int, bytes | None]]]:
    """The lines of a stream that hold something, with their numbers from 1, several at a time.

    Args:
        arriving: The stream.
        most: Bytes of a line; None stands in place of one that has more.
        barren: Bytes between two lines that hold something.

    Raises:
        Refusal: There are more.
    """
    rest = b""
    overlong = False
    number = 1
    since = 0
    async for piece in arriving:
        first, *further = piece.split(b"\n")
        rest = b"" if overlong else rest + first
        complete: list[tuple[int, bytes | None]] = []
        for following in further:
            if overlong or len(rest) > most:
                complete.append((number, None))
            elif rest and not rest.isspace():
                complete.append((number, rest))
            rest, overlong = following, False
            number += 1
        overlong = overlong or len(rest) > most
        since = 0 if complete else since + len(piece)
        if since > barren:
            told = f"more than {barren} bytes came without a whole line that holds something"
            raise Refusal(413, [Fault("too_large", told)])
        if complete:
            yield complete
    if overlong or (rest and not rest.isspace()):
        yield [(number, None if overlong else rest)]


async def inflated(arriving: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip stream inflated, in pieces that are small whatever has been packed.

    Raises:
        Refusal: It is not gzip, or ends before its time.
    """
    inflater = zlib.decompressobj(_GZIP)
    started = False
    try:
        async for waiting in arriving:
            data = waiting
            while data:
                # A file may be several gzip files in a row.
                if inflater.eof:
                    inflater = zlib.decompressobj(_GZIP)
                started = True
                yield inflater.decompress(data, _PIECE_BYTES)
                data = inflater.unconsumed_tail or inflater.unused_data
        # What a step has left inside the inflater: less than one more step gives.
        yield inflater.flush()
    except zlib.error as error:
        raise Refusal(
            400, [Fault("not_gzip", f"the body is not gzip, as its Content-Encoding says: {error}")]
        ) from error
    if started and not inflater.eof:
        raise Refusal(400, [Fault("not_gzip", "the body ends in the middle of its gzip data")])
