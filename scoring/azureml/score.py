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

import numpy as np

from scoring.errors import InvalidTelemetry, ModelError, Reason
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.lasting import Lasting, lasting
from scoring.telemetry.items import Item
from scoring.wire.items import ItemParser
from scoring.wire.json_body import decode, listed
from scoring.wire.status import status

try:
    from azureml_inference_server_http.api.aml_response import AMLResponse
except ModuleNotFoundError:
    # Another server, which knows no status but 200.
    AMLResponse = None

DEFAULT_ENGINE = "default"
"""The engine of records that name none, as those of the tutorial do."""

_WRAPPERS = ("input_data", "data")
"""The only field of an object that holds what is meant: MLflow's models on Azure ML want the one, older services the
other."""

# A test set in one list, and some hundred MB of memory; the server in front bounds it by time.
_MAX_ITEMS = 100_000


class _Scorer:
    def __init__(self, model: Model) -> None:
        self._classifier = Classifier(model, asked=asked())
        self._parser = ItemParser(model.signature, DEFAULT_ENGINE)
        # Servers with threads call `run` from several.
        self._lock = threading.Lock()

    def answer(self, body: bytes) -> Any:  # noqa: ANN401 - any JSON
        try:
            payload = self._unwrapped(decode(body))
            items = self._parser.check_each(listed(payload, _MAX_ITEMS))
        except InvalidTelemetry as invalid:
            return _told(_error(invalid), invalid)
        with self._lock:
            valid: list[Item] = [item for item in items if not isinstance(item, InvalidTelemetry)]
            scored = iter(self._classifier.answer(valid))
        answers = [item if isinstance(item, InvalidTelemetry) else next(scored) for item in items]
        records = [_error(each) if isinstance(each, InvalidTelemetry) else each for each in answers]
        faults = [each for each in answers if isinstance(each, InvalidTelemetry)]
        answer = records if isinstance(payload, list) else records[0]
        return _told(answer, faults[0]) if len(faults) == len(answers) else answer

    def _unwrapped(self, payload: Any) -> Any:  # noqa: ANN401 - any JSON
        """What stands in an object that holds nothing else, or the object itself.

        Raises:
            InvalidTelemetry: It is a table that is none.
        """
        if isinstance(payload, dict) and len(payload) == 1:
            ((name, held),) = payload.items()
            if name in _WRAPPERS and name not in self._parser.field_names:
                return _records(held) if isinstance(held, dict) and isinstance(held.get("columns"), list) else held
        return payload


_scorer: _Scorer | None = None


def init() -> None:
    """Load the model: the file `MODEL_PATH`, or the only ONNX file under `AZUREML_MODEL_DIR`, which Azure ML sets.

    Raises:
        ModelError: There is no such file, or it cannot be served, or not say what `CHANCE_TO_LAST` asks for.
    """
    global _scorer  # noqa: PLW0603 - Azure ML calls two functions; what the first makes the second needs
    _scorer = _Scorer(Model.load(model_path()))


def run(data: Any) -> Any:  # noqa: ANN401 - any JSON
    """Answer a message.

    Args:
        data: A record, a window (an object with `rows`), a trajectory (a window with `each`), or a list of them; as
            text, bytes, or already parsed, also by numpy. It may stand in an object, as `input_data` or `data`, and
            there as a table of `columns` and `data`.

    Returns:
        For each its prediction, for a trajectory one with lists in place of values, or an object `error` with `reason`
        and `detail`; as a list if a list was given. Where nothing could be scored, Azure ML's server is given it with
        an error's status.

    Raises:
        ModelError: `init` has not loaded a model.
    """
    if _scorer is None:
        raise ModelError("no model is loaded; call init() first")
    return _scorer.answer(_body(data))


def model_path() -> Path:
    """The model's file, as Azure ML's variables name it.

    Raises:
        ModelError: They name none, or a folder that does not hold exactly one.
    """
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


def asked() -> Lasting:
    """Of which numbers of cycles a prediction says how likely the engine lasts longer, as `CHANCE_TO_LAST` says.

    Raises:
        ModelError: It says nothing that can be asked of a model.
    """
    given = os.environ.get("CHANCE_TO_LAST", "")
    try:
        return lasting(given)
    except ValueError as error:
        raise ModelError(f"CHANCE_TO_LAST is {given[:100]!r}, {error}") from error


def _body(data: object) -> bytes:
    if isinstance(data, str):
        return data.encode("utf-8", "surrogatepass")
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    return json.dumps(data, default=_plain).encode()


def _plain(value: object) -> object:
    """What numpy has made of numbers and lists, as Python's own; NaN, its absent value, as null."""
    if isinstance(value, np.ndarray):
        plain = value.astype(object)
        if value.dtype.kind == "f":
            plain[np.isnan(value)] = None
        return plain.tolist()
    if isinstance(value, np.generic):
        return None if isinstance(value, np.floating) and np.isnan(value) else value.item()
    raise TypeError(f"{type(value).__name__} is nothing that JSON has; give numbers, text, lists and dictionaries")


def _records(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of a table as pandas splits it: `columns`, `data`, and an `index` that says nothing.

    Raises:
        InvalidTelemetry: A column stands twice, or a row is not as long as there are columns.
    """
    columns, rows = list(map(str, table["columns"])), table.get("data")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)[:40]
        raise InvalidTelemetry(Reason.DUPLICATE_FIELD, f"the column {twice!r} stands twice in input_data", twice)
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(columns) for row in rows):
        told = f"input_data has {len(columns)} columns; `data` must be a list of rows that have as many values"
        raise InvalidTelemetry(Reason.WRONG_TYPE, told, "data")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _error(invalid: InvalidTelemetry) -> dict[str, Any]:
    error = {"reason": str(invalid.reason), "detail": invalid.detail}
    return {"error": {**error, "field": invalid.field} if invalid.field else error}


def _told(answer: object, invalid: InvalidTelemetry) -> Any:  # noqa: ANN401 - the server's own
    """An answer that holds errors only, with the status of the first where the server allows one."""
    return AMLResponse(answer, status(invalid), json_str=True) if AMLResponse else answer
