"""What can go wrong in scoring; each error names the thing, the value and the remedy."""

from __future__ import annotations

from enum import StrEnum


def encodable(text: str) -> str:
    """A text as UTF-8 can hold it: JSON may name half of a pair of surrogates, which is no character."""
    return text.encode("utf-8", "backslashreplace").decode()


class ScoringError(Exception):
    """Base of every error that this package raises on purpose."""


class ModelError(ScoringError):
    """A model file cannot be served: not ONNX, no signature, or golden windows that come out differently."""


class SignatureError(ModelError):
    """A model's signature lacks a key or holds a value that this version cannot serve."""


class TableError(ScoringError):
    """A table cannot be scored by a model: a column is missing, or stands there twice."""


class CmapssError(ScoringError):
    """A C-MAPSS file is not what its format promises; names the file, the line and what was expected."""


class Reason(StrEnum):
    """Why a message or a record cannot be scored; the dead letter carries it."""

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    TOO_COMPLEX = "too_complex"
    NOT_A_RECORD = "not_a_record"
    EMPTY = "empty"
    TOO_MANY_RECORDS = "too_many_records"
    DUPLICATE_FIELD = "duplicate_field"
    NOT_A_TIME = "not_a_time"
    UNKNOWN_CATEGORY = "unknown_category"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_A_NUMBER = "not_a_number"
    INFINITE = "infinite"
    CYCLE_OUT_OF_RANGE = "cycle_out_of_range"
    ENGINE_ID = "engine_id"
    UNNAMED_ENGINE = "unnamed_engine"
    FOREIGN_ENGINE = "foreign_engine"
    STALE_CYCLE = "stale_cycle"
    UNCONFIRMED_JUMP = "unconfirmed_jump"
    SCORING_FAILED = "scoring_failed"
    NOT_TAKEN = "not_taken"


class InvalidTelemetry(ScoringError):  # noqa: N818 - it describes a message, not a fault of the program
    """A message or a record that cannot be scored.

    Attributes:
        reason: One word of `Reason`, stable enough to route and count by.
        detail: One sentence that names the field and the value.
        field: The field's name; "" where it is no single field's fault.
    """

    def __init__(self, reason: str, detail: str, field: str = "") -> None:
        # What a sender wrote may stand in both, and whoever is told of it must be able to read it.
        self.reason = reason
        self.detail = encodable(detail)
        self.field = encodable(field)
        super().__init__(f"{reason}: {self.detail}")
