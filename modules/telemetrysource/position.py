"""How far a replay has come, on disk, so that a restart goes on where edgeHub's acknowledgements ended."""

from __future__ import annotations

import json
import logging
from pathlib import Path

log = logging.getLogger(__name__)

# A restart repeats at most so many messages, under the same ids; writing each would wear the disk out.
EVERY = 100


class Position:
    """The first message of a replay that is not yet acknowledged."""

    def __init__(self, path: Path, replay: str) -> None:
        """Read the position from a file, or begin at 0 where it is missing or of another replay.

        Args:
            path: The file.
            replay: The replay's name.
        """
        self._path = path
        self._replay = replay
        self.first = self._read()
        """All messages before this position are acknowledged."""
        self._written = self.first
        self._ahead: set[int] = set()

    def acknowledge(self, position: int) -> None:
        """Take note of an acknowledgement; they may come in any order."""
        self._ahead.add(position)
        while self.first in self._ahead:
            self._ahead.remove(self.first)
            self.first += 1
        if self.first - self._written >= EVERY:
            self.write()

    def write(self) -> None:
        """Put the position on disk, all of it or nothing."""
        scratch = self._path.with_suffix(".new")
        try:
            scratch.write_text(json.dumps({"replay": self._replay, "position": self.first}))
            scratch.replace(self._path)
        except OSError as error:
            log.error("position %s cannot be written: %s; a restart repeats messages", self._path, error)
        self._written = self.first

    def _read(self) -> int:
        try:
            kept = json.loads(self._path.read_text())
            return int(kept["position"]) if kept["replay"] == self._replay else 0
        except FileNotFoundError:
            return 0
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.error("position %s cannot be read (%r); the replay begins anew", self._path, error)
            return 0
