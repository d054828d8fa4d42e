"""The command `python -m scoring batch`."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Sequence

import numpy as np

from scoring.batch.calls import Calls, Numbered
from scoring.batch.entry import GROUP
from scoring.batch.inputs import Inputs
from scoring.batch.job import PART_ENTRIES, Job, Outcome
from scoring.batch.store import load_model
from scoring.cli.console import REFUSED, add_chance_option, add_engine_options, note, note_empty, number, say
from scoring.errors import InvalidTelemetry
from scoring.predictions.classifier import Classifier
from scoring.predictions.prediction import columns
from scoring.telemetry.record import Sender, Telemetry
from scoring.wire.items import ItemParser
from scoring.wire.records import engine_of

# Where progress is no line that overwrites itself, it is told seldom enough not to fill a log.
_SILENCE_SECONDS = 30.0

_SWITCH_SECONDS = 0.0005


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("input", help="a file, a pattern or a folder: .csv, .ndjson, .parquet, .avro or C-MAPSS .txt")
    parser.add_argument("output", help="the file to write: .csv, .ndjson or .parquet")
    parser.add_argument("--model", required=True, help="the ONNX file, or its URL")
    add_engine_options(parser)
    add_chance_option(parser)
    parser.add_argument(
        "--most-refused",
        type=number(float, 0.0, 1.0),
        default=1.0,
        metavar="SHARE",
        help=f"end with {REFUSED} if a larger share of the messages could not be scored, 0 to 1; by default, if all",
    )


def run(options: argparse.Namespace) -> int:
    """Score files.

    Returns:
        0, or 3 where nothing was scored, or more was refused than may be.

    Raises:
        ScoringError: The model, the engine's name or a file cannot be used.
    """
    if options.engine:
        engine_of({}, Sender(options.engine))
    model = load_model(options.model)
    inputs = Inputs(options.input)
    identity = {
        "inputs": inputs.describe(),
        "model": model.version,
        "engine": options.engine,
        "engines": options.engines,
    }
    classifier = Classifier(model, options.engines, options.chance_to_last)
    if classifier.moments:
        identity["moments"] = classifier.moments
    job = Job(options.output, identity, columns(model.signature, classifier.moments))
    progress = _Progress(len(inputs.files))
    entries = inputs.entries(ItemParser(model.signature, options.engine))
    done = job.done
    if done:
        note(f"{done:,} parts of {PART_ENTRIES:,} messages are done; reading them again for the engines' histories")
    # The model's thread wants the interpreter for a moment every few milliseconds, and is idle until it gets it.
    sys.setswitchinterval(_SWITCH_SECONDS)
    with Calls(classifier, job) as calls:
        for part in itertools.count():
            given = 0
            messages = itertools.islice(entries, PART_ENTRIES)
            while group := list(itertools.islice(messages, GROUP)):
                given += len(group)
                if part < done:
                    _remember(classifier, group)
                else:
                    calls.give(group)
                progress.tell(group)
            if not given:
                break
            if part >= done:
                calls.end_part(part)
    outcome = job.finish()
    note_empty(inputs.empty, len(inputs.files))
    rate = f"{progress.rate:,.0f} messages/s"
    say(f"{outcome.scored:,} scored in {progress.seconds:.1f} s ({rate}), written to {options.output}")
    if outcome.refused:
        say(_told(outcome, job.dead_letters))
    all_refused = bool(outcome.refused) and not outcome.scored
    return REFUSED if all_refused or outcome.share > options.most_refused else 0


def _told(outcome: Outcome, where: str) -> str:
    """What is said of messages that could not be scored."""
    (reason, count), *others = outcome.refused.most_common()
    most = f"{count:,} of them {reason}" if others else f"all of them {reason}"
    return f"{outcome.refused.total():,} could not be scored ({outcome.share:.1%}), {most}; see {where}"


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
