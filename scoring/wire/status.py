"""The HTTP status of telemetry that cannot be scored."""

from __future__ import annotations

from scoring.errors import InvalidTelemetry, Reason

_STATUS = {Reason.TOO_LARGE: 413, Reason.STALE_CYCLE: 409, Reason.SCORING_FAILED: 422}


def status(invalid: InvalidTelemetry) -> int:
    """What tells a caller whose fault it is: 422 where the model has no answer, else one that it can mend."""
    return _STATUS.get(Reason(invalid.reason), 400)
