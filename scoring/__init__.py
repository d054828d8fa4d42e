"""Telemetry in, predictions out: everything that a device or a service needs to score, and nothing of training."""

from typing import TYPE_CHECKING

from scoring.lazy import lazily
from scoring.version import VERSION

if TYPE_CHECKING:
    from scoring.errors import InvalidTelemetry, ModelError, Reason, ScoringError
    from scoring.model.model import Model
    from scoring.model.outputs import Outputs
    from scoring.model.signature import Field, Golden, Signature
    from scoring.predictions.classifier import Classifier
    from scoring.predictions.explain import Influence, explain
    from scoring.predictions.prediction import Prediction
    from scoring.predictions.table import Predictions
    from scoring.telemetry.history import History
    from scoring.telemetry.record import Sender, Telemetry
    from scoring.telemetry.trajectory import Trajectory
    from scoring.telemetry.window import Window
    from scoring.wire.items import ItemParser
    from scoring.wire.records import RecordParser

__all__ = [
    "__version__",
    "Classifier",
    "Field",
    "Golden",
    "History",
    "Influence",
    "InvalidTelemetry",
    "ItemParser",
    "Model",
    "ModelError",
    "Outputs",
    "Prediction",
    "Predictions",
    "Reason",
    "ScoringError",
    "Sender",
    "Signature",
    "Telemetry",
    "RecordParser",
    "Trajectory",
    "Window",
    "explain",
]

__version__ = VERSION

__getattr__, __dir__ = lazily(
    __name__,
    {
        "errors": (
            "InvalidTelemetry",
            "ModelError",
            "Reason",
            "ScoringError",
        ),
        "model.model": (
            "Model",
            "Outputs",
        ),
        "model.signature": (
            "Field",
            "Golden",
            "Signature",
        ),
        "predictions.classifier": ("Classifier",),
        "predictions.prediction": ("Prediction",),
        "predictions.table": ("Predictions",),
        "predictions.explain": (
            "Influence",
            "explain",
        ),
        "telemetry.history": ("History",),
        "telemetry.record": (
            "Sender",
            "Telemetry",
        ),
        "telemetry.trajectory": ("Trajectory",),
        "telemetry.window": ("Window",),
        "wire.items": ("ItemParser",),
        "wire.records": ("RecordParser",),
    },
)
