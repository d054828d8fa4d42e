"""The scoring script of Azure ML's batch endpoints: `init` loads the model, `run` scores files.

Azure ML gives the files to any number of processes, in any order, and gives some a second time. So each file is scored
by itself, from empty histories: an engine's messages belong into one file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from scoring.azureml.score import asked, model_path
from scoring.batch.entry import GROUP, BatchError
from scoring.batch.inputs import Inputs
from scoring.batch.job import dead_letter
from scoring.errors import InvalidTelemetry, ModelError
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.lasting import moments
from scoring.wire.items import ItemParser

_model: Model | None = None


def init() -> None:
    """Load the model: the file `MODEL_PATH`, or the only ONNX file under `AZUREML_MODEL_DIR`, which Azure ML sets.

    Raises:
        ModelError: There is no such file, or it cannot be served, or not say what `CHANCE_TO_LAST` asks for.
    """
    global _model  # noqa: PLW0603 - Azure ML calls two functions; what the first makes the second needs
    _model = Model.load(model_path())
    # Told now, not with the first file.
    moments(_model.signature, asked())


def run(mini_batch: Sequence[str]) -> list[str]:
    """Score files of any format that `python -m scoring batch` reads.

    Args:
        mini_batch: The files' paths.

    Returns:
        A line of JSON for each prediction, with the `File` that its message stands in, and for each message that could
        not be scored one with `Reason`, `Detail` and the original; of a file without messages one that says so.
        Azure ML appends them to the output, with `output_action: append_row`.

    Raises:
        ModelError: `init` has not loaded a model.
    """
    if _model is None:
        raise ModelError("no model is loaded; call init() first")
    return [json.dumps(record, separators=(",", ":")) for path in mini_batch for record in _scored(_model, path)]


def _scored(model: Model, path: str) -> Iterator[dict[str, Any]]:
    classifier = Classifier(model, asked=asked())
    try:
        inputs = Inputs(path)
        entries = inputs.entries(ItemParser(model.signature, ""))
        while group := list(islice(entries, GROUP)):
            singles = [(entry, item) for _, entry in group for item in entry.singles]
            valid = [item for _, item in singles if not isinstance(item, InvalidTelemetry)]
            answers = iter(classifier.answer(valid))
            for entry, item in singles:
                answer = item if isinstance(item, InvalidTelemetry) else next(answers)
                if isinstance(answer, InvalidTelemetry):
                    yield dead_letter(path, entry, answer)
                else:
                    yield {"File": path, **answer}
    except BatchError as error:
        # The other files of the mini batch are scored nevertheless.
        yield {"File": path, "Reason": "unreadable", "Detail": str(error)}
    else:
        if inputs.empty:
            yield {"File": path, "Reason": "empty", "Detail": "the file holds no message"}
