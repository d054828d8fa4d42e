"""The command `python -m scoring batch`."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from scoring.batch.entry import Entry
from scoring.batch.inputs import Inputs
from scoring.batch.job import PART_ENTRIES, Job, dead_letter
from scoring.classifier import Classifier
from scoring.console import add_engine_options, note, say
from scoring.errors import InvalidTelemetry
from scoring.items import ItemParser
from scoring.model import Model
from scoring.prediction import Prediction, columns
from scoring.telemetry import Sender, Telemetry, engine_of

# Where progress is no line that overwrites itself, it is told seldom enough not to fill a log.
_SILENCE_SECONDS = 30.0

Numbered = tuple[str, Entry]
Scored = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("input", help="a file, a pattern or a folder: .csv, .ndjson, .parquet, .avro or C-MAPSS .txt")
    parser.add_argument("output", help="the file to write: .csv, .ndjson or .parquet")
    parser.add_argument("--model", type=Path, required=True, help="the ONNX file")
    add_engine_options(parser)


def run(options: argparse.Namespace) -> None:
    """Score files.

    Raises:
        ScoringError: The model, the engine's name or a file cannot be used.
    """
    if options.engine:
        engine_of({}, Sender(options.engine))
    model = Model.load(options.model)
    inputs = Inputs(options.input)
    identity = {
        "inputs": inputs.describe(),
        "model": model.version,
        "engine": options.engine,
        "engines": options.engines,
    }
    job = Job(options.output, identity, columns(model.signature))
    classifier = Classifier(model, options.engines)
    progress = _Progress(len(inputs.files))
    entries = inputs.entries(ItemParser(model.signature, options.engine))
    done = job.done
    if done:
        note(f"{done:,} parts of {PART_ENTRIES:,} messages are done; reading them again for the engines' histories")
    # Scoring leaves the interpreter free most of the time: the next messages are read meanwhile.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring") as thread:
        scoring: Future[Scored] | None = None
        for part in itertools.count():
            chunk = list(itertools.islice(entries, PART_ENTRIES))
            if scoring:
                job.write(part - 1, *scoring.result())
                scoring = None
            if not chunk:
                break
            if part < done:
                _remember(classifier, chunk)
            else:
                scoring = thread.submit(_score, classifier, chunk)
            progress.tell(chunk)
    scored, dead = job.finish()
    say(f"{scored:,} scored in {progress.seconds:.1f} s ({progress.rate:,.0f} messages/s), written to {options.output}")
    if dead:
        say(f"{dead:,} could not be scored, see {job.dead_letters_path}")


def _score(classifier: Classifier, chunk: Sequence[Numbered]) -> Scored:
    """Predictions, and what is told of messages that cannot be scored."""
    checked = [(path, entry, item) for path, entry in chunk for item in entry.items]
    scored = iter(classifier.score([item for _, _, item in checked if not isinstance(item, InvalidTelemetry)]))
    classifier.history.evicted.clear()
    records: list[dict[str, Any]] = []
    dead: list[dict[str, Any]] = []
    for path, entry, item in checked:
        answer = item if isinstance(item, InvalidTelemetry) else next(scored)
        if isinstance(answer, Prediction):
            records.append(answer.record())
        else:
            dead.append(dead_letter(path, entry, answer))
    return records, dead


def _remember(classifier: Classifier, chunk: Sequence[Numbered]) -> None:
    """Take messages in that have been scored before."""
    history = classifier.history
    unused = np.empty((history.window, history.width), dtype=np.float32)
    for _, entry in chunk:
        for item in entry.items:
            if isinstance(item, Telemetry):
                try:
                    history.insert(item, unused)
                except InvalidTelemetry:
                    # It is among the dead letters already.
                    continue
    history.evicted.clear()


class _Progress:
    def __init__(self, files: int) -> None:
        self._files = files
        self._seen: str | None = None
        self._file = 0
        self._entries = 0
        self._started = self._told = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def rate(self) -> float:
        return self._entries / max(self.seconds, 1e-9)

    def tell(self, chunk: Sequence[Numbered]) -> None:
        """Say how far the run has come."""
        self._entries += len(chunk)
        for path in dict.fromkeys(path for path, _ in chunk):
            self._file += path != self._seen
            self._seen = path
        text = f"{self._entries:,} messages, {self.rate:,.0f} a second, file {self._file:,} of {self._files:,}"
        if sys.stderr.isatty():
            note(text, passing=True)
        elif time.monotonic() - self._told > _SILENCE_SECONDS:
            self._told = time.monotonic()
            note(text)
