"""Recorded telemetry: what several machines sent, from a file of C-MAPSS or a table of a task's own."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry, TableError
from scoring.model.signature import Signature
from scoring.names import CYCLE
from scoring.telemetry.record import Telemetry
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.cmapss import read_trajectories
from scoring.wire.csv_table import BLANKS, CsvTable
from scoring.wire.items import ItemParser


@dataclass(frozen=True)
class Recording:
    """Messages in the order of the file, each as numbers.

    Attributes:
        machines: The machines' names, in the order in which they first appear.
        senders: int64 [messages], which of them sent each.
        cycles: int64 [messages], the cycle of each; its number in the file where nothing counts cycles.
        fields: What each message holds as numbers, in order.
        cycle: What a message calls what tells its cycle; "" where nothing does.
        values: float64 [messages, fields], NaN where a value is absent.
        digest: Of what the file holds, in hexadecimal.
        others: By name, what each message holds that numbers are made of: its time, its categories.
    """

    machines: tuple[str, ...]
    senders: npt.NDArray[np.int64]
    cycles: npt.NDArray[np.int64]
    fields: tuple[str, ...]
    cycle: str
    values: npt.NDArray[np.float64]
    digest: str
    others: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cycles)

    def message(self, row: int) -> dict[str, Any]:
        """The fields of a message, None where a value is absent."""
        # A NaN is the one number that is not equal to itself.
        values = [value if value == value else None for value in self.values[row].tolist()]  # noqa: PLR0124
        others = {name: each[row] for name, each in self.others.items()}
        return {**others, **dict(zip(self.fields, values, strict=True))}

    def messages_of(self, machine: int) -> Iterator[dict[str, Any]]:
        """What one machine sent, in the order of the file."""
        return (self.message(row) for row in np.flatnonzero(self.senders == machine).tolist())


def is_table(path: Path) -> bool:
    """Whether a file is a CSV table, by its name; it is C-MAPSS text otherwise."""
    return path.name.removesuffix(".gz").endswith(".csv")


def read_cmapss(path: Path, prefix: str) -> Recording:
    """Read a C-MAPSS file.

    Args:
        path: The text, or the same in .gz.
        prefix: What a machine's name has before its unit number.

    Raises:
        CmapssError: The file is not what its format promises.
    """
    found = read_trajectories(path)
    return Recording(
        machines=tuple(f"{prefix}{unit:03d}" for unit in range(1, found.engines + 1)),
        senders=found.units - 1,
        cycles=found.cycles,
        fields=tuple(field.name for field in FIELDS),
        cycle=CYCLE,
        values=found.values,
        digest=hashlib.sha256(found.values.tobytes()).hexdigest(),
    )


def read_table(path: Path, signature: Signature, machine: str) -> Recording:
    """Read a table as training does: a header, then a row for each message, an empty cell where a value is absent.

    Args:
        path: The CSV table, or the same in .gz.
        signature: Of the model that is to score it: its fields, and the column that names the machines.
        machine: The one machine of a table that names none.

    Raises:
        TableError: The file cannot be read, lacks a column, or has a row that the model could not score.
    """
    content = _content(path)
    lines = [(number, line.strip(BLANKS)) for number, line in enumerate(content.splitlines(), start=1) if line.strip()]
    if len(lines) < 2:
        raise TableError(f"{path}: expected a header and rows of telemetry, found {len(lines)} lines")
    parser = ItemParser(signature, machine)
    try:
        table = CsvTable(lines[0][1], parser)
    except TableError as error:
        raise TableError(f"{path}: {error}") from error
    machines: dict[str, int] = {}
    senders: list[int] = []
    cycles: list[int] = []
    values: list[list[object]] = []
    derived = {each.source for each in signature.derived.values()}
    fields = tuple(name for name in signature.columns if name not in derived)
    others: dict[str, list[object]] = {name: [] for name in signature.columns if name in derived}
    for number, line in lines[1:]:
        try:
            record = table.record(line)
            item = parser.check(record)
        except InvalidTelemetry as error:
            raise TableError(f"{path}, line {number}: {error.detail}; mend or remove it") from error
        senders.append(machines.setdefault(item.engine or machine, len(machines)))
        cycles.append(item.cycle if isinstance(item, Telemetry) else len(cycles) + 1)
        values.append([record[name] for name in fields])
        for name, found in others.items():
            found.append(record[name])
    return Recording(
        machines=tuple(machines),
        senders=np.array(senders, dtype=np.int64),
        cycles=np.array(cycles, dtype=np.int64),
        fields=fields,
        cycle=signature.derived[signature.cycle].source if signature.cycle in signature.derived else signature.cycle,
        values=np.array(values, dtype=np.float64),
        digest=hashlib.sha256(content).hexdigest(),
        others=others,
    )


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read: {error}") from error
