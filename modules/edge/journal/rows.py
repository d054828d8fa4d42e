"""Rows that know whether they are still what was written: each carries a checksum of its other columns."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

Column = int | float | bytes | str


class DamagedRow(Exception):  # noqa: N818 - a state of the disk, no fault of the program
    """A row is not what was written."""


def checksum(*columns: Column) -> int:
    """CRC-32 of columns, with a byte between them."""
    return zlib.crc32(b"\0".join([each if type(each) is bytes else str(each).encode() for each in columns]))


def checked(row: Sequence[object], kinds: tuple[type, ...]) -> None:
    """Check the columns of a row, whose last one is the checksum of those before it.

    Raises:
        DamagedRow: A column is of another type than was written, or the checksum differs.
    """
    found = tuple(map(type, row))
    if found != kinds:
        raise DamagedRow(f"its columns are {', '.join(each.__name__ for each in found)}")
    if checksum(*row[:-1]) != row[-1]:  # type: ignore[arg-type]
        raise DamagedRow("its checksum is another")


def read_text(value: object) -> str:
    """A text, of what a connection gives that reads texts as bytes.

    Raises:
        TypeError: It is none.
        UnicodeDecodeError: It is none any more.
    """
    return read_bytes(value).decode()


def read_bytes(value: object) -> bytes:
    """Bytes as they were written.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, bytes):
        raise TypeError(f"a column is {type(value).__name__}, text or bytes were written")
    return value


def read_integer(value: object) -> int:
    """A whole number as it was written.

    Raises:
        TypeError: It is something else.
    """
    if not isinstance(value, int):
        raise TypeError(f"a column is {type(value).__name__}, a whole number was written")
    return value
