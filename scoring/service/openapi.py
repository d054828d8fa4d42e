"""The description of the service for one model, as OpenAPI 3.1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scoring.model.derived import Derived, Period
from scoring.model.model import Model
from scoring.model.signature import Signature
from scoring.names import CYCLE, ENGINE
from scoring.predictions.fields import FIELDS
from scoring.predictions.prediction import LASTS, MODES, label_key, moment_names, weights_key
from scoring.service.limits import Limits
from scoring.service.lines import CONTENT_TYPE as LINES
from scoring.service.lines import TABLE
from scoring.telemetry.engine_id import ENGINE_ID, MAX_ENGINE_NUMBER
from scoring.telemetry.record import LARGEST, MAX_CYCLE
from scoring.wire.windows import EACH, MAX_ROWS, ROWS

Schema = dict[str, Any]

_JSON = "application/json"
_NUMBER: Schema = {"type": "number"}
_TEXT: Schema = {"type": "string"}
_ENGINE: Schema = {
    "anyOf": [
        {"type": "string", "pattern": f"^{ENGINE_ID}$"},
        {"type": "integer", "minimum": -MAX_ENGINE_NUMBER, "maximum": MAX_ENGINE_NUMBER},
    ]
}


def description(model: Model, limits: Limits, moments: Sequence[float] = (), *, keyed: bool, named: bool) -> Schema:
    """The service's paths and the form of what goes in and out.

    Args:
        model: The model that is served; its fields are those of records.
        limits: What is taken at most.
        moments: For which predictions say how likely an engine lasts longer, in cycles.
        keyed: Callers must show a key.
        named: Records must name their engine.
    """
    signature = model.signature
    paths: Schema = {
        "/score": {"post": _score()},
        "/model": {"get": _get("getModel", "The model and its signature", _JSON, _ref("Model"))},
        "/metrics": {"get": _get("getMetrics", "Metrics in Prometheus' text form", "text/plain", _TEXT)},
        "/openapi.json": {"get": _get("getDescription", "This description", _JSON, _ref("Description"))},
        "/health/live": {"get": _get("getLive", "The process runs", _JSON, _ref("Health"))},
        "/health/ready": {"get": _get("getReady", "Requests are scored", _JSON, _ref("Health"))},
    }
    paths["/health/ready"]["get"]["responses"]["503"] = _refused("The service is ending", "Retry-After")
    components: Schema = {"schemas": _schemas(signature, limits, moments, named=named and bool(signature.cycle))}
    if keyed:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, each in paths.items():
        (operation,) = each.values()
        open_to_all = not keyed or path.startswith("/health/")
        operation["security"] = [] if open_to_all else [{"key": []}]
        if not open_to_all:
            operation["responses"]["401"] = _refused("No valid key is shown", "WWW-Authenticate")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Scoring with {signature.name}",
            "version": model.version,
            "description": "Send an engine's next messages, its last ones, or all of them; get predictions.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Wherever the description was asked for.
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": components,
    }


def _score() -> Schema:
    per_line = "An answer to each line, or an object `error` with the line's number."
    return {
        "operationId": "score",
        "summary": "Score records, windows and trajectories",
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {"schema": {"anyOf": [_ref("Item"), _ref("Items")]}},
                LINES: {"schema": {**_TEXT, "description": "One item a line."}},
                TABLE: {"schema": {"description": "A header with the fields' names, then one record a line."}},
            },
        },
        "responses": {
            "200": {
                "description": "Predictions, in the order of the items",
                "content": {
                    _JSON: {"schema": {"anyOf": [_ref("Answer"), _ref("Answers")]}},
                    LINES: {"schema": {**_TEXT, "description": per_line}},
                },
            },
            "400": _refused("An item, named by its row and field, cannot be scored; none was"),
            "408": _refused("The body did not arrive in time"),
            "409": _refused("A record is too old for what is remembered of its engine; none was scored"),
            "413": _refused("The body is too large"),
            "415": _refused("The body's type or encoding is none of those taken"),
            "422": _refused("The model answers an item with no number"),
            "503": _refused("Too much is waiting, or the service is ending", "Retry-After"),
        },
    }


def _get(name: str, summary: str, content_type: str, schema: Schema) -> Schema:
    content = {content_type: {"schema": schema}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": summary, "content": content}},
    }


def _refused(summary: str, header: str = "") -> Schema:
    answer: Schema = {"description": summary, "content": {_JSON: {"schema": _ref("Refusal")}}}
    if header:
        answer["headers"] = {header: {"required": True, "schema": _TEXT}}
    return answer


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required}


def _only(value: bool) -> Schema:
    """One of the two values; makers of clients do not know `const` for them."""
    return {"type": "boolean", "enum": [value]}


def _schemas(signature: Signature, limits: Limits, moments: Sequence[float], *, named: bool) -> Schema:
    rules = {each.source: each for each in signature.derived.values()}
    units = {each.name: each.unit for each in signature.fields}
    fields = {
        name: _made_of(rules[name]) if name in rules else _field(signature, name, units[name])
        for name in signature.columns
    }
    names = list(fields)
    values = {
        "type": "array",
        "prefixItems": list(fields.values()),
        "minItems": len(fields),
        "maxItems": len(fields),
        "description": ", ".join(names),
    }
    messages = {"type": "array", "items": {"anyOf": [_ref("Values"), _ref("Message")]}, "minItems": 1}
    last = {
        **messages,
        "maxItems": MAX_ROWS if signature.cycle else 1,
        "description": "An engine's last messages in any order; their cycles say where they belong.",
    }
    all_of_them = {
        **messages,
        "maxItems": min(MAX_ROWS, limits.rows),
        "description": "An engine's messages; each is answered, in the order of cycles.",
    }
    classes = {"Class": {"type": "string", "enum": list(signature.classes)}} if signature.classes else {}
    return {
        **classes,
        "Record": _object({ENGINE: _ENGINE, **fields}, [ENGINE, *names] if named else names),
        "Message": _object(fields, names),
        "Values": values,
        "Window": _object({ENGINE: _ENGINE, ROWS: last, EACH: _only(False)}, [ROWS]),
        "Trajectory": _object({ENGINE: _ENGINE, ROWS: all_of_them, EACH: _only(True)}, [ROWS, EACH]),
        "Item": {"anyOf": [_ref("Record"), _ref("Window"), _ref("Trajectory")]},
        "Items": {"type": "array", "items": _ref("Item"), "minItems": 1, "maxItems": limits.rows},
        "Prediction": _prediction(signature, moments, _itself),
        "Predictions": _prediction(signature, moments, _list_of),
        "Answers": {"type": "array", "items": _ref("Answer"), "minItems": 1},
        "Answer": {"anyOf": [_ref("Prediction"), _ref("Predictions")]},
        "Model": _object(
            {"Model": _TEXT, "ModelVersion": _TEXT, "signature": {"type": "object"}},
            ["Model", "ModelVersion", "signature"],
        ),
        "Description": {"type": "object"},
        "Health": _object({"status": _TEXT}, ["status"]),
        "Refusal": _object(
            {"errors": {"type": "array", "items": _ref("Fault"), "minItems": 1}, "count": {"type": "integer"}},
            ["errors", "count"],
        ),
        "Fault": _object(
            {"reason": _TEXT, "detail": _TEXT, "field": _TEXT, "row": {"type": "integer"}}, ["reason", "detail"]
        ),
    }


def _made_of(rule: Derived) -> Schema:
    """What a field is made of that is not sent as it is."""
    if isinstance(rule, Period):
        told = f"a time; periods of {rule.every:g} s are the cycles"
        return {"anyOf": [{**_TEXT, "format": "date-time"}, _NUMBER], "description": told}
    return {"anyOf": [{**_TEXT, "enum": list(rule.categories)}, {"type": "null"}]}


def _field(signature: Signature, name: str, unit: str) -> Schema:
    if name == signature.cycle:
        return {"type": "integer", "minimum": 1, "maximum": MAX_CYCLE}
    schema: Schema = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    return {**schema, "description": unit} if unit else schema


def _itself(schema: Schema) -> Schema:
    return schema


def _list_of(schema: Schema) -> Schema:
    return {"type": "array", "items": schema, "minItems": 1}


def _prediction(signature: Signature, moments: Sequence[float], form: Callable[[Schema], Schema]) -> Schema:
    """A prediction, each of whose values has a form: itself, or a list of its kind for a trajectory's."""
    properties: Schema = {
        ENGINE: _TEXT,
        CYCLE: form(FIELDS[CYCLE].described),
        "WindowFilled": form(FIELDS["WindowFilled"].described),
        "Model": _TEXT,
        "ModelVersion": _TEXT,
    }
    required = [name for name, each in FIELDS.items() if each.is_always]
    if signature.interval:
        rul = ["PredictedRul", "RulLow", "RulHigh"]
        properties |= {name: form(FIELDS[name].described) for name in rul}
        required += rul
    if signature.curve:
        properties["RulMiddle"] = form(FIELDS["RulMiddle"].described)
        required.append("RulMiddle")
    if moments:
        names = moment_names(moments)
        properties[LASTS] = _object(dict.fromkeys(names, form(_NUMBER)), names)
        required.append(LASTS)
    if signature.modes:
        names = list(signature.modes)
        properties[MODES] = _object(dict.fromkeys(names, form(_NUMBER)), names)
        required.append(MODES)
    if signature.classes:
        classes = list(signature.classes)
        label, weights = label_key(signature), weights_key(signature)
        properties[label] = form(_ref("Class"))
        properties[weights] = _object(dict.fromkeys(classes, form(_NUMBER)), classes)
        required += [label, weights]
    if signature.values:
        names = list(signature.values)
        properties["PredictedValues"] = _object(dict.fromkeys(names, form(_NUMBER)), names)
        required.append("PredictedValues")
    return _object(properties, required)
