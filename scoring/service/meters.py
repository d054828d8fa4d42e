"""What the service counts and shows."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from scoring.errors import InvalidTelemetry
from scoring.predictions.table import Predictions
from scoring.telemetry.history import History

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

# From one window in a call to a full batch on a small core, and the time that a request may take at most.
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ServiceMeters:
    """The service's metrics: every bound has one that shows how full it is."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("scoring_requests", "Requests answered", ("path", "status"), registry=self._registry)
        self.predictions = Counter("scoring_predictions", "Predictions made", ("rul_class",), registry=self._registry)
        self.refused = Counter(
            "scoring_refused",
            "Requests and items that could not be scored",
            ("reason",),
            registry=self._registry,
        )
        self.request_seconds = Histogram(
            "scoring_request_seconds", "Time to answer a JSON request", registry=self._registry, buckets=_SECONDS
        )
        self.call_seconds = Histogram(
            "scoring_call_seconds", "Time to score one batch", registry=self._registry, buckets=_SECONDS
        )
        self.batch_rows = Histogram(
            "scoring_batch_rows", "Rows scored together", registry=self._registry, buckets=_SIZES
        )

    def count(self, predictions: Predictions) -> None:
        """Count predictions by class; all at once, since each count takes a lock."""
        labels = predictions.labels
        if predictions.refused:
            labels = [label for row, label in enumerate(labels) if row not in predictions.refused]
        for label, number in Counts(labels).items():
            self.predictions.labels(label or "").inc(number)

    def count_refused(self, refused: Iterable[InvalidTelemetry]) -> None:
        """Count what could not be scored, by reason."""
        for reason, number in Counts(str(each.reason) for each in refused).items():
            self.refused.labels(reason).inc(number)

    def watch(self, history: History) -> None:
        """Show how many engines are remembered whenever somebody looks."""
        self.gauge("engines", "Engines whose history is kept", lambda: len(history))
        self.gauge(
            "engines_limit", "Engines whose history can be kept; the least recently seen goes", lambda: history.capacity
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when somebody looks.

        Args:
            name: Without the prefix that all have.
            text: What it shows.
            read: Gives the value.
        """
        Gauge(f"scoring_{name}", text, registry=self._registry).set_function(read)

    def exposition(self) -> bytes:
        """All of it as Prometheus' text."""
        return prometheus_client.generate_latest(self._registry)
