"""A message in work: its records, and how far it has come."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from modules.edge.hub.dead_letter import dead_letter
from modules.edge.hub.message import OutputMessage
from modules.edge.journal import Incoming
from scoring.errors import InvalidTelemetry
from scoring.telemetry.record import Telemetry


@dataclass(slots=True, eq=False)
class Request:
    """A message and what has become of its records; what is settled of it goes on where it was after a restart.

    Attributes:
        entry: The message's place in the inbox.
        records: Its records, or the reasons why they are none.
        done: How many of them have been dealt with.
        reason: Why the first of those could not be scored that could not; "" where all could.
        detail: The same in words.
        refused: How many could not be scored.
    """

    entry: Incoming
    records: Sequence[Telemetry | InvalidTelemetry]
    done: int = 0
    reason: str = ""
    detail: str = ""
    refused: int = 0

    @classmethod
    def of(cls, entry: Incoming, records: Sequence[Telemetry | InvalidTelemetry]) -> Request:
        """Begin a message, or go on with one of which a part has been settled."""
        request = cls(entry, records)
        if entry.progress:
            request.done, request.reason, request.detail, request.refused = json.loads(entry.progress)
        return request

    @property
    def progress(self) -> str:
        """What is to be kept of it."""
        return json.dumps([self.done, self.reason, self.detail, self.refused])

    @property
    def is_whole(self) -> bool:
        """Whether all of its records have been dealt with."""
        return self.done >= len(self.records)

    def refuse(self, invalid: InvalidTelemetry) -> None:
        """Note a record that cannot be scored."""
        if not self.refused:
            self.reason, self.detail = invalid.reason, invalid.detail
        self.refused += 1

    def dead_letter(self) -> list[OutputMessage]:
        """What its records that cannot be scored are sent as; empty where there are none."""
        if not self.refused:
            return []
        return dead_letter(self.entry.message, self.reason, self.detail, others=self.refused - 1)
