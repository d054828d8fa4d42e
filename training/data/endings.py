"""How machines ended: a last row is a failure only where somebody says so."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path

from training.errors import DataError

ENDED = "Ended"
"""The column that says how each machine ended, in its own table or in a file of endings."""
FAILURE_MODE = "FailureMode"
"""The column beside it that says by which mode a machine failed; empty where that is not known."""
WAYS = "--run-to-failure, --ended FILE, or a column Ended"
"""What says how machines ended."""


class Ending(StrEnum):
    """What became of a machine after its last row."""

    FAILED = "failed"
    REMOVED = "removed"
    """Taken out of service before it failed."""
    RUNNING = "running"
    """Still in service when the data were taken."""


def read_endings(path: Path, machine: str) -> tuple[dict[str, Ending], dict[str, str]]:
    """Read how each machine ended, from a CSV table with a column for its name, one for its end, and maybe its mode.

    Args:
        path: The file.
        machine: The name of the first column.

    Returns:
        By name, how each ended, and by which mode it failed; no modes of a table without such a column.

    Raises:
        DataError: The file cannot be read, lacks a column, names a machine twice, or an end that is none.
    """
    try:
        rows = csv.reader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}; give another file by --ended") from error
    header = next(rows, [])
    for column in (machine, ENDED):
        if header.count(column) != 1:
            raise DataError(
                f"{path}, line 1: expected a column {column!r} once, found {', '.join(header) or 'nothing'}"
            )
    name, ended = header.index(machine), header.index(ENDED)
    mode = header.index(FAILURE_MODE) if FAILURE_MODE in header else None
    found: dict[str, Ending] = {}
    modes: dict[str, str] = {}
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: expected {len(header)} columns, found {len(row)}")
        if row[name] in found:
            raise DataError(f"{path}, line {line}: {row[name]!r} stands there twice; leave one of them")
        found[row[name]] = ending_of(row[ended], f"{path}, line {line}")
        if mode is not None:
            modes[row[name]] = row[mode].strip() if found[row[name]] is Ending.FAILED else ""
    return found, modes


def ending_of(cell: str, where: str) -> Ending:
    """What a cell says.

    Raises:
        DataError: It is no end; names the place.
    """
    try:
        return Ending(cell.strip().lower())
    except ValueError as error:
        raise DataError(f"{where}: expected {ENDED} to be {', '.join(Ending)}, found {cell!r}") from error


def endings_of(named: Mapping[str, Ending], names: Sequence[str], path: Path) -> tuple[Ending, ...]:
    """The ends of machines in their order.

    Raises:
        DataError: The file says nothing of one.
    """
    absent = [name for name in names if name not in named]
    if absent:
        raise DataError(f"{path} says nothing of {absent[0]!r}, and of {len(absent)} in all; add a line for each")
    return tuple(named[name] for name in names)


def write_endings(path: Path, machine: str, endings: Iterable[tuple[str, Ending]]) -> None:
    """Write how each machine ended, so that `read_endings` returns the same."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((machine, ENDED))
        writer.writerows(endings)
