"""A run that can go on where it was interrupted.

Predictions are collected in parts beside the output, each of a fixed number of messages, each put in its place whole.
A run that finds parts takes them as done: it reads the messages that made them again, so that every engine's history
is as it was, and scores what follows. At the end the parts become the output.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import fsspec.utils

from scoring.batch.entry import BatchError, Entry
from scoring.batch.formats import sink
from scoring.batch.store import Store
from scoring.errors import InvalidTelemetry

# A second or two of work, and some MB in memory.
PART_ENTRIES = 8_192
# Enough to see what it was; the whole message still stands in its file.
_ORIGINAL_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has come of a run's messages.

    Attributes:
        scored: How many predictions there are.
        refused: How many dead letters, by reason.
    """

    scored: int
    refused: Counter[str]

    @property
    def share(self) -> float:
        """The share of what was refused, 0 to 1; 0 where nothing was given."""
        refused = self.refused.total()
        return refused / (self.scored + refused) if refused else 0.0


class Job:
    """The output of one run, with what is done of it."""

    def __init__(self, url: str, identity: dict[str, Any], columns: dict[str, Any]) -> None:
        """Prepare an output.

        Args:
            url: The file to write.
            identity: What the run depends on; parts of any other are not used.
            columns: What a record holds.

        Raises:
            BatchError: The output exists or its name belongs to no format, or there are parts of another run.
        """
        self._sink = sink(url)
        self._store = store = Store(url)
        self._path = store.path
        self._columns = columns
        self._folder = f"{self._path}.parts"
        self._dead_letters = f"{self._path}.deadletter.ndjson"
        identity = {**identity, "part_entries": PART_ENTRIES}
        manifest = f"{self._folder}/run.json"
        if store.exists(manifest):
            if json.loads(store.read(manifest)) != json.loads(json.dumps(identity)):
                raise BatchError(
                    f"{store.url(self._folder)} holds parts of a run with another input, model or options; "
                    "delete it to begin anew"
                )
        else:
            for path in (self._path, self._dead_letters):
                if store.exists(path):
                    raise BatchError(f"{store.url(path)} exists; delete it, or name another output")
            if store.exists(self._folder):
                # What is left of a run that ended while it was clearing up.
                store.remove(self._folder)
            store.make_folder(self._folder)
            store.put(manifest, json.dumps(identity).encode())
        self.done = 0
        """How many parts are done."""
        while store.exists(self._part(self.done)):
            self.done += 1

    @property
    def dead_letters(self) -> str:
        """Where what cannot be scored is written, as users would give it."""
        return self._store.url(self._dead_letters)

    def write(self, number: int, predictions: bytes, dead: list[dict[str, Any]]) -> None:
        """Put a part in its place; with its predictions there, as lines of JSON, it is done.

        Args:
            number: The part's, from 0.
            predictions: Lines of JSON.
            dead: The part's dead letters.
        """
        self._store.put(self._part(number, ".dead"), _lines(dead))
        self._store.put(self._part(number), predictions)
        self.done = number + 1

    def finish(self) -> Outcome:
        """Make the output, and the file of dead letters if there are any, of the parts."""
        unfinished = f"{self._folder}/output"
        scored = 0
        with self._store.writing(unfinished, _compression(self._path)) as file:
            output = self._sink(file, self._columns)
            for number in range(self.done):
                lines = self._store.read(self._part(number))
                output.write(lines)
                scored += lines.count(b"\n")
            output.close()
        refused: Counter[str] = Counter()
        letters = f"{self._folder}/letters"
        with self._store.writing(letters) as file:
            for number in range(self.done):
                content = self._store.read(self._part(number, ".dead"))
                refused.update(json.loads(line)["Reason"] for line in content.splitlines())
                file.write(content)
        if refused:
            self._store.move(letters, self._dead_letters)
        self._store.move(unfinished, self._path)
        self._store.remove(self._folder)
        return Outcome(scored, refused)

    def _part(self, number: int, kind: str = "") -> str:
        return f"{self._folder}/{number:08}{kind}.ndjson"


def dead_letter(path: str, entry: Entry, invalid: InvalidTelemetry) -> dict[str, Any]:
    """What is told of a message that cannot be scored.

    Args:
        path: The file that the message is of.
        entry: The message.
        invalid: What is wrong with it.
    """
    letter = {"File": path, "Number": entry.number, "Reason": str(invalid.reason), "Detail": invalid.detail}
    if invalid.field:
        letter["Field"] = invalid.field
    original = entry.original() if callable(entry.original) else entry.original
    if isinstance(original, bytes):
        try:
            text = original.decode()
        except UnicodeDecodeError:
            return {**letter, "OriginalBase64": base64.b64encode(original[:_ORIGINAL_CHARACTERS]).decode("ascii")}
    else:
        text = json.dumps(original, default=str)
    return {**letter, "Original": text[:_ORIGINAL_CHARACTERS]}


def _compression(path: str) -> str | None:
    return fsspec.utils.infer_compression(path)  # type: ignore[no-any-return]


def _lines(records: list[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(record, separators=(',', ':'))}\n" for record in records).encode()
