"""What the service takes at most."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.predictions.classifier import MAX_BATCH
from scoring.wire.json_body import MAX_BODY_BYTES, MAX_RECORDS


@dataclass(frozen=True, slots=True)
class Limits:
    """The service's bounds.

    Attributes:
        body_bytes: The largest JSON body, inflated. A megabyte holds 100 windows and is parsed in 10 ms, for which
            everybody else waits; more than that goes as lines.
        values: Values in one JSON body, as many as 200 windows of 50 x 25 have. A megabyte could hold twice as many if
            each had but one digit; decoding is one step, which nobody else can come between.
        rows: Records, windows and messages of trajectories in one JSON body.
        line_bytes: The longest line of a stream, as long as a message of IoT Hub.
        barren_bytes: What a stream may have, inflated, between two lines that hold something: blank lines are no
            progress, and a kilobyte of gzip can hold a million of them.
        seconds: How long a body may take to arrive, a request to be scored, and a stream to be without a line that
            holds something.
        requests: Requests at once, each with a body in memory; more are told to come again.
        connections: Connections at once; more are told to come again. A process may mostly have 1,024 files open.
        waiting: Records, windows and messages of trajectories that wait for the model, 5 kB each: a tenth of a second's
            work of a fast processor.
        batch: As many in one call of the model, unless a single request has more.
        linger_seconds: How long the first of a batch waits for others. While the model works, others gather by
            themselves, so there is nothing to wait for where requests come close to each other.
        grace_seconds: How long requests have to end by themselves when the service ends; who ends services mostly waits
            for ten seconds before it kills them.
        farewell_seconds: How long streams that have not ended by then have for their last lines.
    """

    body_bytes: int = 1024 * 1024
    values: int = 250_000
    rows: int = MAX_RECORDS
    line_bytes: int = MAX_BODY_BYTES
    barren_bytes: int = 4 * 1024 * 1024
    seconds: float = 10.0
    requests: int = 256
    connections: int = 768
    waiting: int = 4_096
    batch: int = MAX_BATCH
    linger_seconds: float = 0.0
    grace_seconds: float = 5.0
    farewell_seconds: float = 3.0
