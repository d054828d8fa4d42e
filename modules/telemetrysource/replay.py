"""A recording as a sequence of telemetry messages: all engines side by side, each in the order of its cycles."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from modules.edge.contract import SCHEMA
from modules.edge.hub.message import OutputMessage
from modules.telemetrysource.contracts import CREATED, TELEMETRY
from scoring.names import ENGINE
from scoring.wire.recording import Recording

OUTPUT = "telemetry"


@dataclass(frozen=True, slots=True)
class Reading:
    """One message of a replay.

    Attributes:
        engine: The engine's id.
        cycle: Its cycle.
        message_id: The same at each replay of the same file.
        body: The bytes to send.
        is_corrupt: It was spoilt on purpose.
    """

    engine: str
    cycle: int
    message_id: str
    body: bytes
    is_corrupt: bool = False

    def message(self) -> OutputMessage:
        """The message, created now."""
        created = datetime.now(UTC).isoformat(timespec="milliseconds")
        properties = {CREATED: created} if self.is_corrupt else {CREATED: created, SCHEMA: TELEMETRY.id}
        return OutputMessage(OUTPUT, self.body, self.message_id, self.message_id, self.engine, properties)


class Replay:
    """A recording as messages, by position.

    All engines' first cycles come first, then all second ones: as a fleet sends them. With a corrupt share, spoilt
    copies are mixed in beside the whole ones, whose number and content stay the same. A repeated recording comes from
    other engines: their ids end in the number of the repetition.
    """

    def __init__(self, recording: Recording, corrupt_share: float = 0.0, seed: int = 1, repeat: int = 1) -> None:
        """Put the recording in order.

        Args:
            recording: What the engines sent.
            corrupt_share: How many spoilt messages come for each whole one, 0 to 1.
            seed: Of the choice what is spoilt, and how.
            repeat: How often it is replayed.
        """
        self._order = np.lexsort((recording.senders, recording.cycles))
        self._recording = recording
        self._corrupt_share = corrupt_share
        self._seed = seed
        self._repeat = repeat
        self.name = recording.digest[:8]
        """The same for the same readings: message ids begin with it."""

    def __len__(self) -> int:
        """How many whole readings there are."""
        return len(self._order) * self._repeat

    def at(self, position: int) -> Iterator[Reading]:
        """The reading at a position from 0 on, and perhaps a spoilt one behind it."""
        repetition, place = divmod(position, len(self._order))
        recording, row = self._recording, int(self._order[place])
        engine = recording.machines[recording.senders[row]] + (f".{repetition}" if repetition else "")
        cycle = int(recording.cycles[row])
        record = {ENGINE: engine, **recording.message(row)}
        message_id = f"{self.name}-{engine}-{cycle}"
        yield Reading(engine, cycle, message_id, json.dumps(record, separators=(",", ":")).encode())
        chance = self._chance(position)
        if chance.random() < self._corrupt_share:
            body = _spoil(record, recording.cycle, chance)
            yield Reading(engine, cycle, f"{message_id}-corrupt", body, is_corrupt=True)

    @property
    def corrupt(self) -> int:
        """How many spoilt readings are mixed in."""
        return sum(self._chance(position).random() < self._corrupt_share for position in range(len(self)))

    def _chance(self, position: int) -> random.Random:
        return random.Random(f"{self._seed} {position}")  # noqa: S311 - repeatable, not secret


def _spoil(record: dict[str, Any], cycle: str, chance: random.Random) -> bytes:
    """A record as a broken sensor, a wrong converter or a bad line might deliver it."""
    field = chance.choice([name for name in record if name not in (ENGINE, cycle)] or [cycle])
    text = json.dumps(record)
    without = {name: value for name, value in record.items() if name != field}
    ways: tuple[Callable[[], bytes], ...] = (
        text[: chance.randrange(1, len(text))].encode,
        lambda: text.encode().replace(b'"', b'"\xff', 1),
        lambda: json.dumps(without).encode(),
        lambda: json.dumps({**record, field: "n/a"}).encode(),
        lambda: json.dumps({**record, field: float("nan")}).encode(),
        lambda: json.dumps({**record, field: float("inf")}).encode(),
        lambda: json.dumps({**record, cycle or field: -1 if cycle else "-"}).encode(),
        lambda: json.dumps({**record, ENGINE: "no such id!\n"}).encode(),
        lambda: b"",
    )
    return chance.choice(ways)()
