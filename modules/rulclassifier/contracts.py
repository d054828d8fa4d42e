"""What rulclassifier's messages hold."""

from __future__ import annotations

from modules.edge.contract import Contract
from scoring.errors import Reason
from scoring.predictions.fields import FIELDS, TEXT, JsonSchema

READING_TIME = "readingTime"
READING_TIME_BY = "readingTimeBy"
CONTINUITY = "continuity"
LEFT_OFF = "propertiesLeftOff"
CONFIRMED_JUMP = "confirmed_jump"
NEW_LIFE = "new_life"

_EACH: dict[str, JsonSchema] = {
    READING_TIME: {
        "type": "string",
        "format": "date-time",
        "description": "when the reading was made, as far as that is known, in UTC",
    },
    READING_TIME_BY: {
        "enum": ["source", "module"],
        "description": "source: the reading's message says so; module: it says nothing, and was taken in then",
    },
    LEFT_OFF: {**TEXT, "description": "how many of the source's properties were over 4 KB, and are not passed on"},
}
_BODY = {name: each.described for name, each in FIELDS.items()}
_REQUIRED = tuple(name for name, each in FIELDS.items() if each.is_always)
_ANSWER: dict[str, JsonSchema] = {
    "rulClass": {**TEXT, "description": "the body's RulClass, for routes"},
    "class": {**TEXT, "description": "the body's PredictedClass, for routes"},
    CONTINUITY: {
        "enum": [CONFIRMED_JUMP, NEW_LIFE],
        "description": "the reading was far ahead, and another has confirmed it; or another engine has its id now",
    },
    **_EACH,
}

PREDICTION = Contract("prediction", "What the model says of one engine at one cycle.", _BODY, _REQUIRED, _ANSWER)
ALERT = Contract("alert", "A prediction that reaches the model's threshold for an alert.", _BODY, _REQUIRED, _ANSWER)
DEAD_LETTER = Contract(
    "dead-letter",
    "What cannot be scored: the bytes that came, or a part of them, whatever they are.",
    properties={
        "reason": {**TEXT, "examples": sorted(Reason), "description": "why it cannot be scored"},
        "detail": {**TEXT, "description": "the same in words, in at most 300 characters"},
        "part": {
            **TEXT,
            "pattern": "^[1-9][0-9]*/[1-9][0-9]*$",
            "description": "which part, of how many; absent where it is whole",
        },
        **_EACH,
    },
)
