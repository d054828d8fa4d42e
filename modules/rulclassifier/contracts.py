"""What rulclassifier's messages hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules.edge.contract import Contract
from modules.edge.hub.answer import OF_EACH
from scoring.predictions.fields import FIELDS, TEXT

CONTINUITY = "continuity"
CONFIRMED_JUMP = "confirmed_jump"
NEW_LIFE = "new_life"

_BODY = {name: each.described for name, each in FIELDS.items()}
_REQUIRED = tuple(name for name, each in FIELDS.items() if each.is_always)
_ANSWER: dict[str, Mapping[str, Any]] = {
    "rulClass": {**TEXT, "description": "the body's RulClass, for routes"},
    "class": {**TEXT, "description": "the body's PredictedClass, for routes"},
    CONTINUITY: {
        "enum": [CONFIRMED_JUMP, NEW_LIFE],
        "description": "the reading was far ahead, and another has confirmed it; or another engine has its id now",
    },
    **OF_EACH,
}

PREDICTION = Contract("prediction", "What the model says of one engine at one cycle.", _BODY, _REQUIRED, _ANSWER)
ALERT = Contract("alert", "A prediction that reaches the model's threshold for an alert.", _BODY, _REQUIRED, _ANSWER)
ARCHIVED = Contract(
    "archived",
    "A reading as it came, each field by its name, and what the model says of it; for an archive on the device.",
    _BODY,
    _REQUIRED,
    OF_EACH,
    {},
)
