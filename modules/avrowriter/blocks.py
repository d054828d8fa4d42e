"""Where an Avro file ends that a kill or a power cut has torn."""

from __future__ import annotations

import io
from pathlib import Path

import avro.datafile
import avro.errors
import avro.io

SYNC_BYTES = 16
_COUNT_AND_SIZE_BYTES = 20
# What avro makes of bytes that are no header, and of those that are only half of one.
_NO_HEADER = (avro.errors.AvroException, ValueError, EOFError, KeyError, IndexError)


class NoHeaderError(Exception):
    """A file does not begin as an Avro file does."""


def whole_parts(path: Path) -> tuple[int, int]:
    """Where a file's header ends, and its last whole block, in bytes; what comes behind was being written.

    Raises:
        NoHeaderError: Not even its header is whole.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        try:
            with avro.datafile.DataFileReader(io.BufferedReader(file), avro.io.DatumReader()) as reader:
                sync = reader.sync_marker
                header = end = reader.reader.tell()
        except _NO_HEADER as error:
            raise NoHeaderError(str(error)) from error
    size = path.stat().st_size
    with path.open("rb") as file:
        while end < size:
            file.seek(end)
            found = _block_bytes(file.read(_COUNT_AND_SIZE_BYTES))
            if not 0 < found <= size - end - SYNC_BYTES:
                break
            file.seek(end + found)
            if file.read(SYNC_BYTES) != sync:
                break
            end += found + SYNC_BYTES
    return header, end


def _block_bytes(beginning: bytes) -> int:
    """How many bytes a block has before its sync marker, by its beginning; 0 if that is none."""
    stream = io.BytesIO(beginning)
    decoder = avro.io.BinaryDecoder(stream)
    try:
        count, size = decoder.read_long(), decoder.read_long()
    except (avro.errors.AvroException, TypeError, EOFError):
        return 0
    return stream.tell() + size if count > 0 and size >= 0 else 0
