"""Trajectories in the text format of NASA's C-MAPSS data sets, read and written.

A row is one cycle of one engine: unit number, cycle, operational settings 1 to 3, sensor measurements 1 to 21,
separated by blanks. A. Saxena, K. Goebel, D. Simon, N. Eklund, "Damage Propagation Modeling for Aircraft Engine
Run-to-Failure Simulation", PHM08, 2008.
"""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoring.errors import CmapssError
from scoring.wire.json_body import BYTE_ORDER_MARK

COLUMNS = 26
_GZIP_LEVEL = 6
CUT = "the last line has no end, so that its last number may have been cut; bring the file again, or end the line"
"""What is said of a text that ends within a line, as each of NASA's files does not."""


@dataclass(frozen=True)
class Trajectories:
    """The cycles of several engines, in order of unit and cycle.

    Attributes:
        units: int64 [rows], the engine of each row, from 1 without gaps.
        cycles: int64 [rows], the engine's cycle, from 1 for each unit, rising; other machines' may have gaps.
        values: float64 [rows, 25], columns CycleTime, OperationalSetting1..3, Sensor1..21, in the data's own units.
    """

    units: NDArray[np.int64]
    cycles: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.units)

    @property
    def engines(self) -> int:
        """How many engines there are."""
        return int(self.units[-1]) if len(self.units) else 0

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many rows each engine has, int64 [engines]."""
        return np.bincount(self.units, minlength=1)[1:].astype(np.int64)

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last cycle of each engine, int64 [engines]."""
        return self.cycles[np.cumsum(self.lengths) - 1]


def find(directory: Path, name: str) -> Path:
    """Finds the file `name` or `name`.gz, the plain text first.

    Raises:
        CmapssError: Neither exists.
    """
    for candidate in (directory / name, directory / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    raise CmapssError(f"{directory / name}: neither this file nor {name}.gz exists")


def read_trajectories(path: Path) -> Trajectories:
    """Reads trajectories from a text file, or from one compressed by gzip if its name ends in .gz.

    Raises:
        CmapssError: The file cannot be read, has no rows, or a row is not as the format says.
    """
    text = _read_text(path)
    table = _table(text)
    if table is None:
        raise CmapssError(f"{path}{_first_fault(text)}")
    units, cycles = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return Trajectories(units, cycles, np.ascontiguousarray(table[:, 1:]))


def read_rul(path: Path) -> NDArray[np.int64]:
    """Reads the true remaining useful life after each test engine's last cycle, int64 [engines], in cycles.

    Raises:
        CmapssError: The file cannot be read, has no rows, or a row is not one whole number from 0 up.
    """
    lines = _read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip().isdecimal():
            raise CmapssError(f"{path}, line {number}: expected one whole number of cycles, found {_shown(line)}")
    if not lines:
        raise CmapssError(f"{path}: expected one row for each engine, found none")
    return np.array([int(line) for line in lines], dtype=np.int64)


def write_trajectories(path: Path, trajectories: Trajectories) -> None:
    """Writes trajectories so that `read_trajectories` returns the same; compressed if the name ends in .gz."""
    rows = zip(
        trajectories.units.tolist(),
        trajectories.cycles.tolist(),
        trajectories.values[:, 1:].tolist(),
        strict=True,
    )
    lines = [f"{unit} {cycle} {' '.join(map(repr, values))}  \n" for unit, cycle, values in rows]
    _write_text(path, "".join(lines))


def write_rul(path: Path, rul: NDArray[np.int64]) -> None:
    """Writes one whole number of cycles for each engine; compressed if the name ends in .gz.

    Args:
        path: The file.
        rul: int64 [engines], in cycles.
    """
    _write_text(path, "".join(f"{cycles}\n" for cycles in rul.tolist()))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise CmapssError(f"{path}: cannot be read: {error}") from error
    content = content.removeprefix(BYTE_ORDER_MARK)
    if content and not content.endswith(b"\n"):
        line = content.count(b"\n") + 1
        raise CmapssError(f"{path}, line {line}: {CUT}")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = content[error.start]
        raise CmapssError(f"{path}, line {line}: expected ASCII text, found the byte 0x{found:02x}") from error


def _write_text(path: Path, text: str) -> None:
    content = text.encode("ascii")
    if path.suffix == ".gz":
        # Without the time of day, so that the same rows give the same bytes.
        content = gzip.compress(content, _GZIP_LEVEL, mtime=0)
    path.write_bytes(content)


def _table(text: str) -> NDArray[np.float64] | None:
    """The numbers of a well-formed text, float64 [rows, 26]."""
    if not text.strip():
        return None
    try:
        table = np.loadtxt(io.StringIO(text), dtype=np.float64, comments=None, ndmin=2)
    except ValueError:
        return None
    return table if _well_formed(table) else None


def _well_formed(table: NDArray[np.float64]) -> bool:
    if table.shape[1] != COLUMNS or not np.isfinite(table).all():
        return False
    units, cycles = table[:, 0], table[:, 1]
    new = (np.diff(units, prepend=0.0) == 1) & (cycles == 1)
    following = (np.diff(units, prepend=0.0) == 0) & (np.diff(cycles, prepend=0.0) == 1)
    return bool(new[0] and np.all(new | following))


def _first_fault(text: str) -> str:
    """What is wrong with a text that is not well formed, with the line, to be put after the file's name."""
    unit = cycle = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        cells = line.split()
        if len(cells) != COLUMNS:
            return f", line {number}: expected {COLUMNS} columns, found {len(cells)}"
        for column, cell in enumerate(cells, start=1):
            if not _is_number(cell):
                return f", line {number}, column {column}: expected a finite number, found {_shown(cell)}"
        found = (float(cells[0]), float(cells[1]))
        allowed = [(unit, cycle + 1), (unit + 1, 1)] if unit else [(1, 1)]
        if found not in allowed:
            expected = " or ".join(f"unit {each} cycle {following}" for each, following in allowed)
            return f", line {number}: expected {expected}, found unit {cells[0]} cycle {cells[1]}"
        unit, cycle = int(found[0]), int(found[1])
    return ": expected rows of 26 columns, found none"


def _is_number(cell: str) -> bool:
    try:
        # float() takes 1_000, which no other reader does.
        return "_" not in cell and bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
