"""Azure ML's scoring script: `init` loads the model, `run` answers messages.

Engines are remembered in this process alone. A deployment that has more than one worker or instance therefore needs
messages with all of an engine's last cycles in them (`rows`), of which nothing has to be remembered.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from scoring.classifier import Classifier
from scoring.errors import InvalidTelemetry, ModelError
from scoring.items import Item, ItemParser
from scoring.model import Model

DEFAULT_ENGINE = "default"
"""The engine of records that name none, as those of the tutorial do."""

# A test set in one list, and some hundred MB of memory; the server in front bounds it by time.
_MAX_ITEMS = 100_000


class _Scorer:
    def __init__(self, model: Model) -> None:
        self._classifier = Classifier(model)
        self._parser = ItemParser(model.signature, DEFAULT_ENGINE)
        # Servers with threads call `run` from several.
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> Any:  # noqa: ANN401 - any JSON
        try:
            items, listed = self._parser.parse(body, _MAX_ITEMS)
        except InvalidTelemetry as invalid:
            return _error(invalid)
        with self._lock:
            valid: list[Item] = [item for item in items if not isinstance(item, InvalidTelemetry)]
            scored = iter(self._classifier.answer(valid))
        answers = [item if isinstance(item, InvalidTelemetry) else next(scored) for item in items]
        records = [_error(each) if isinstance(each, InvalidTelemetry) else each for each in answers]
        return records if listed else records[0]


_scorer: _Scorer | None = None


def init() -> None:
    """Load the model: the file `MODEL_PATH`, or the only ONNX file under `AZUREML_MODEL_DIR`, which Azure ML sets.

    Raises:
        ModelError: There is no such file, or it cannot be served.
    """
    global _scorer  # noqa: PLW0603 - Azure ML calls two functions; what the first makes the second needs
    _scorer = _Scorer(Model.load(_model_path()))


def run(data: Any) -> Any:  # noqa: ANN401 - any JSON
    """Answer a message.

    Args:
        data: A record, a window (an object with `rows`), a trajectory (a window with `each`), or a list of them; as
            text, bytes, or already parsed.

    Returns:
        For each its prediction, for a trajectory one with lists in place of values, or an object `error` with `reason`
        and `detail`; as a list if a list was given.

    Raises:
        ModelError: `init` has not loaded a model.
    """
    if _scorer is None:
        raise ModelError("no model is loaded; call init() first")
    return _scorer.answer(_body(data))


def _model_path() -> Path:
    path = os.environ.get("MODEL_PATH")
    if path:
        return Path(path)
    folder = os.environ.get("AZUREML_MODEL_DIR")
    if not folder:
        raise ModelError("neither MODEL_PATH nor AZUREML_MODEL_DIR is set; one must say where the model is")
    found = sorted(Path(folder).rglob("*.onnx"))
    if len(found) != 1:
        names = ", ".join(str(each.relative_to(folder)) for each in found[:5]) or "none"
        raise ModelError(f"AZUREML_MODEL_DIR {folder} must hold one ONNX file, found {names}; or set MODEL_PATH")
    return found[0]


def _body(data: object) -> bytes:
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    return json.dumps(data).encode()


def _error(invalid: InvalidTelemetry) -> dict[str, Any]:
    error = {"reason": str(invalid.reason), "detail": invalid.detail}
    return {"error": {**error, "field": invalid.field} if invalid.field else error}
