"""The command `python -m scoring compare`."""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Iterator

from scoring.batch.inputs import Inputs
from scoring.batch.store import load_model
from scoring.cli.console import REFUSED, note, note_empty, number, say
from scoring.comparison.differences import Differences, Pair
from scoring.comparison.text import table
from scoring.errors import InvalidTelemetry
from scoring.model.model import Model
from scoring.predictions.classifier import MAX_BATCH, Classifier
from scoring.predictions.prediction import Prediction
from scoring.telemetry.history import DEFAULT_ENGINES
from scoring.telemetry.record import Sender
from scoring.wire.items import ItemParser
from scoring.wire.records import engine_of

# Messages in hand at once: enough for full batches.
_CHUNK = 16 * MAX_BATCH


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("first", metavar="A", help="an ONNX file, or its URL")
    parser.add_argument("second", metavar="B", help="another")
    parser.add_argument("data", help="records to score: files as `batch` reads them")
    parser.add_argument("--engine", default="", metavar="NAME", help="the engine of records that name none")
    parser.add_argument("--engines", type=number(int, 1, 1_000_000), default=DEFAULT_ENGINES, help="remembered at most")
    parser.add_argument("--json", action="store_true", help="write JSON instead of a table")


def run(options: argparse.Namespace) -> int:
    """Compare two models.

    Returns:
        0, or 3 where neither could score anything of what there was.

    Raises:
        ScoringError: A model, the engine's name or a file cannot be used.
    """
    if options.engine:
        engine_of({}, Sender(options.engine))
    first, second = load_model(options.first), load_model(options.second)
    inputs = Inputs(options.data)
    answers = [_answers(model, inputs, options.engine, options.engines) for model in (first, second)]
    differences = Differences(first.signature.classes)
    refused: Counter[str] = Counter()
    for (place, one), (_, other) in zip(*answers, strict=True):
        if isinstance(one, Prediction) and isinstance(other, Prediction):
            differences.add(Pair(place, one, other))
        elif isinstance(one, Prediction):
            differences.unscored["A"] += 1
        elif isinstance(other, Prediction):
            differences.unscored["B"] += 1
        else:
            refused[str(one.reason)] += 1
    note_empty(inputs.empty, len(inputs.files))
    if options.json:
        models = {
            letter: {"name": each.signature.name, "version": each.version}
            for letter, each in zip("AB", (first, second), strict=True)
        }
        say(json.dumps({"models": models, **differences.record()}, indent=2))
    else:
        say(table(first, second, differences))
    if refused:
        ((reason, count),) = refused.most_common(1)
        note(f"{refused.total():,} could be scored by neither, {count:,} of them {reason}")
    return REFUSED if refused and not differences.rows and not differences.unscored else 0


def _answers(
    model: Model, inputs: Inputs, engine: str, engines: int
) -> Iterator[tuple[str, Prediction | InvalidTelemetry]]:
    """What a model says of each record, with the record's place."""
    classifier = Classifier(model, engines)
    entries = inputs.entries(ItemParser(model.signature, engine))
    while chunk := list(itertools.islice(entries, _CHUNK)):
        checked = [(f"{path}:{entry.number}", item) for path, entry in chunk for item in entry.singles]
        scored = iter(classifier.score([item for _, item in checked if not isinstance(item, InvalidTelemetry)]))
        for place, item in checked:
            yield place, item if isinstance(item, InvalidTelemetry) else next(scored)
