"""Items: what is asked to be scored, records and windows in any mixture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scoring.errors import InvalidTelemetry
from scoring.signature import Signature
from scoring.telemetry import ENGINE, Reason, Sender, Telemetry, TelemetryParser, decode, engine_of, listed
from scoring.window import ROWS, Window, WindowParser

Item = Telemetry | Window


class ItemParser:
    """Turns JSON into items, for one model's fields.

    An object with `rows` is a window; any other is a record, the next message of an engine that is remembered. For a
    model that counts no cycles a record is all that there is, and nothing is remembered.
    """

    def __init__(self, signature: Signature, engine: str = "") -> None:
        """Prepare to parse.

        Args:
            signature: Names the fields.
            engine: The engine of records that name none; "": each must name its own.
        """
        self.field_names = signature.field_names
        """The model's fields, in order."""
        self._sender = Sender(engine, is_module=True)
        self._remembers = bool(signature.cycle)
        self._records = TelemetryParser(signature.field_names, signature.cycle)
        self._windows = WindowParser(signature)
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

    def check_each(self, candidates: Iterable[object], sender: Sender | None = None) -> list[Item | InvalidTelemetry]:
        """Check decoded objects; one that fails comes back as its error.

        Args:
            candidates: Records and windows.
            sender: Who sent them, where that is known.
        """
        checked: list[Item | InvalidTelemetry] = []
        for candidate in candidates:
            try:
                checked.append(self.check(candidate, sender))
            except InvalidTelemetry as invalid:
                checked.append(invalid)
        return checked

    def check(self, candidate: object, sender: Sender | None = None) -> Item:
        """Check one decoded object.

        Args:
            candidate: A record or a window.
            sender: Who sent it, where that is known.

        Raises:
            InvalidTelemetry: It cannot be scored.
        """
        sender = sender or self._sender
        if isinstance(candidate, dict) and ROWS in candidate and not self._rows_is_a_field:
            return self._windows.check(candidate)
        if not self._remembers:
            return self._row(candidate, sender)
        if isinstance(candidate, dict) and ENGINE not in candidate and not sender.device:
            raise InvalidTelemetry(
                Reason.MISSING_FIELD,
                f"the field {ENGINE} is missing; name the engine, or send all of its last messages as `{ROWS}`",
                ENGINE,
            )
        return self._records.check(candidate, sender)

    def _row(self, candidate: object, sender: Sender) -> Window:
        values = np.array([self._records.values(candidate)], dtype=np.float32)
        named = isinstance(candidate, dict) and ENGINE in candidate
        engine = engine_of(candidate, sender) if isinstance(candidate, dict) and named else ""
        return Window(engine, 0, values, np.zeros(1, dtype=np.int64))
