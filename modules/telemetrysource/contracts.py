"""What telemetrysource's messages hold."""

from __future__ import annotations

from modules.edge.contract import Contract
from scoring.names import ENGINE
from scoring.predictions.fields import TEXT

CREATED = "creationTimeUtc"
"""The application property that says when a message was made; latency is measured by it from end to end."""

TELEMETRY = Contract(
    "telemetry",
    "One reading of one engine: each field of the model that it is for, by its name; null where a sensor has no value. "
    "Spoilt messages are sent without a schema.",
    {ENGINE: {**TEXT, "description": "the engine's id"}},
    (ENGINE,),
    {CREATED: {"type": "string", "format": "date-time", "description": "when the message was made, in UTC"}},
    {"type": ["number", "null"]},
)
