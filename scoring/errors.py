"""What can go wrong in scoring; each error names the thing, the value and the remedy."""

from __future__ import annotations


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


class InvalidTelemetry(ScoringError):  # noqa: N818 - it describes a message, not a fault of the program
    """A message or a record that cannot be scored.

    Attributes:
        reason: One word of `telemetry.Reason`, stable enough to route and count by.
        detail: One sentence that names the field and the value.
        field: The field's name; "" where it is no single field's fault.
    """

    def __init__(self, reason: str, detail: str, field: str = "") -> None:
        # What a sender wrote may stand in both, and whoever is told of it must be able to read it.
        self.reason = reason
        self.detail = encodable(detail)
        self.field = encodable(field)
        super().__init__(f"{reason}: {self.detail}")
