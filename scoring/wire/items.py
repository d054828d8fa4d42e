"""Items in JSON: records, windows and trajectories, parsed and checked in any mixture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.signature import FloatArray, Signature
from scoring.names import ENGINE
from scoring.telemetry.engine_id import is_engine_id
from scoring.telemetry.items import Item
from scoring.telemetry.record import LARGEST, Sender, Telemetry, are_cycles
from scoring.telemetry.trajectory import Trajectory
from scoring.telemetry.window import Window
from scoring.wire.arrays import table
from scoring.wire.json_body import decode, listed
from scoring.wire.records import RecordParser, engine_of
from scoring.wire.windows import ROWS, RowsParser


class ItemParser:
    """Turns JSON into items, for one model's fields.

    An object with `rows` is a window, or a trajectory if `each` of them is to be answered; any other is a record, the
    next message of an engine that is remembered. Of a model that counts no cycles nothing is remembered.
    """

    def __init__(self, signature: Signature, engine: str = "") -> None:
        """Prepare to parse.

        Args:
            signature: Names the fields.
            engine: The engine of records that name none; "": each must name its own.
        """
        self.field_names = signature.field_names
        """The model's fields, in order."""
        self.machine = signature.machine
        """What tables and lines may call what names the engine; "": as in messages only."""
        self.sender = Sender(engine, is_module=True)
        """Who sent what comes without a sender."""
        self._cycle = self.field_names.index(signature.cycle) if signature.cycle else None
        self.columns = signature.columns
        """What a message calls what the fields are made of."""
        self.optional = {each.source for each in signature.derived.values() if each.is_optional}
        """Which of these a message need not hold."""
        self.is_derived = bool(signature.derived)
        """Whether that is something else than the fields: each message needs a closer look."""
        self._records = RecordParser(signature.field_names, signature.cycle, signature.derived)
        self._several = RowsParser(signature)
        self._rows_is_a_field = ROWS in signature.field_names

    def parse(self, body: bytes, most: int) -> tuple[list[Item | InvalidTelemetry], bool]:
        """Parse one object or a list of at most so many; one that fails its checks comes back as its error.

        Returns:
            The items, and whether they came as a list.

        Raises:
            InvalidTelemetry: The whole body is unusable: its encoding, JSON or shape.
        """
        payload = decode(body)
        return self.check_each(listed(payload, most)), isinstance(payload, list)

    def parse_line(self, line: bytes) -> Item:
        """Parse one line of a stream.

        Raises:
            InvalidTelemetry: It cannot be scored.
        """
        return self.check(decode(line))

    def check_each(self, objects: Iterable[object], sender: Sender | None = None) -> list[Item | InvalidTelemetry]:
        """Check decoded objects; one that fails comes back as its error.

        Args:
            objects: Records, windows and trajectories.
            sender: Who sent them, where that is known.
        """
        checked: list[Item | InvalidTelemetry] = []
        for decoded in objects:
            try:
                checked.append(self.check(decoded, sender))
            except InvalidTelemetry as invalid:
                checked.append(invalid)
        return checked

    def check(self, decoded: object, sender: Sender | None = None) -> Item:
        """Check one decoded object.

        Args:
            decoded: A record, a window or a trajectory.
            sender: Who sent it, where that is known.

        Raises:
            InvalidTelemetry: It cannot be scored.
        """
        sender = sender or self.sender
        if self.machine and isinstance(decoded, dict) and ENGINE not in decoded and self.machine in decoded:
            # Lines name it as the task's tables do.
            decoded = {**decoded, ENGINE: decoded[self.machine]}
        if isinstance(decoded, dict) and ROWS in decoded and not self._rows_is_a_field:
            return self._several.check(decoded)
        if self._cycle is None:
            return self._row(decoded, sender)
        if isinstance(decoded, dict) and ENGINE not in decoded and not sender.device:
            raise InvalidTelemetry(
                Reason.MISSING_FIELD,
                f"the field {ENGINE} is missing; name the engine, or send all of its last messages as `{ROWS}`",
                ENGINE,
            )
        return self._records.check(decoded, sender)

    def check_rows(
        self,
        rows: npt.NDArray[np.float64] | Sequence[Sequence[float | None]],
        named: Sequence[str | None],
        senders: Iterable[Sender] | None = None,
    ) -> list[Item | None]:
        """Check records that come as a table, all in one step.

        Args:
            rows: [records, fields]; in an array NaN where a value is absent, in lists None.
            named: The engine that each record names; None where it names none.
            senders: Who sent each, where that is known.

        Returns:
            The items; None in place of one that `check` would refuse, and can say why.
        """
        values = rows if isinstance(rows, np.ndarray) else table(rows, len(self.field_names))
        if values is None or self.is_derived:
            return [None] * len(rows)
        beyond: npt.NDArray[np.bool_] = np.abs(values) > LARGEST
        good = ~np.any(beyond, axis=1)
        if not isinstance(rows, np.ndarray):
            absent = np.count_nonzero(np.isnan(values), axis=1)
            for row in np.flatnonzero(absent).tolist():
                # Of a NaN that is no null, the sender must be told.
                good[row] &= rows[row].count(None) == absent[row]
        cycles = np.zeros(len(values))
        if self._cycle is not None:
            cycles = values[:, self._cycle]
            good &= are_cycles(cycles)
        with np.errstate(over="ignore", invalid="ignore"):
            records = zip(good.tolist(), values.astype(np.float32), cycles.astype(np.int64).tolist(), strict=True)
        senders = senders or repeat(self.sender, len(named))
        engines = [self._engine(name, sender) for name, sender in zip(named, senders, strict=True)]
        known = {name for name in set(engines) if name is not None and (not name or is_engine_id(name))}
        return [
            self._item(engine, cycle, row) if usable and engine is not None and engine in known else None
            for engine, (usable, row, cycle) in zip(engines, records, strict=True)
        ]

    def check_windows(
        self, rows: Sequence[Sequence[Sequence[float | None]]], named: Sequence[str | None]
    ) -> list[Item | None]:
        """Check windows whose rows are lists of numbers and nulls, as many as can be in one step.

        Args:
            rows: Of each window.
            named: The engine that each names; None where it names none.

        Returns:
            The items; None in place of one at which `check` must have a closer look.
        """
        forms = {name: is_engine_id(name) for name in set(named) if name is not None}
        windows = self._several.known([name or "" for name in named], rows)
        return [each if name is None or forms[name] else None for each, name in zip(windows, named, strict=True)]

    def check_trajectory(self, rows: Sequence[Sequence[float | None]], name: str | None) -> Trajectory | None:
        """Check a trajectory whose rows are lists of numbers and nulls.

        Args:
            rows: One for each message.
            name: The engine that it names; None where it names none.

        Returns:
            The trajectory; None where `check` must have a closer look.
        """
        return self._several.known_trajectory(name or "", rows) if name is None or is_engine_id(name) else None

    def _engine(self, name: str | None, sender: Sender) -> str | None:
        """A record's engine; "" where it may have none, None where it may not be of that engine."""
        if name is None:
            return "" if self._cycle is None else sender.device or None
        return name if name and (sender.is_module or name == sender.device) else None

    def _item(self, engine: str, cycle: int, row: FloatArray) -> Item:
        if self._cycle is None:
            return Window(engine, 0, row[np.newaxis], np.zeros(1, dtype=np.int64))
        return Telemetry(engine, cycle, row)

    def _row(self, decoded: object, sender: Sender) -> Window:
        values = np.array([self._records.values(decoded)], dtype=np.float32)
        named = isinstance(decoded, dict) and ENGINE in decoded
        engine = engine_of(decoded, sender) if isinstance(decoded, dict) and named else ""
        return Window(engine, 0, values, np.zeros(1, dtype=np.int64))
