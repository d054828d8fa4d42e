"""What rulclassifier counts and shows."""

from __future__ import annotations

from modules.edge.host.metrics import Metrics
from modules.rulclassifier.continuity import Continuity
from scoring.errors import Reason
from scoring.model.model import Model
from scoring.telemetry.history import History

# From one window in a call on a PC to a full batch on a small ARM core.
_SCORING_SECONDS = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)


class Meters:
    """The module's metrics: every bound of the module has one that shows how full it is."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.messages = metrics.counter("messages", "Input messages answered")
        self.predictions = metrics.counters("predictions", "Predictions made", "rul_class")
        self.dead_letters = metrics.counters("dead_letters", "Messages that could not be scored", "reason", Reason)
        self.new_lives = metrics.counter("new_lives", "Engines that were replaced by others under their ids")
        self.scoring = metrics.histogram(
            "scoring_seconds", "One call of the model, for all that waited", _SCORING_SECONDS
        )

    def show_model(self, model: Model) -> None:
        """Show which model answers, and its classes from the start."""
        self._metrics.info(
            "model",
            "The model that answers, and the digest of its golden outputs as computed here",
            name=model.signature.name,
            version=model.version,
            golden=model.golden_digest,
        )
        for label in model.signature.classes:
            self.predictions(label)

    def watch_engines(self, history: History, continuity: Continuity) -> None:
        """Show what is remembered of engines whenever somebody looks."""
        gauge = self._metrics.gauge
        gauge("engines", "Engines whose history is kept", lambda: len(history))
        gauge(
            "engines_limit", "Engines whose history can be kept; the least recently seen goes", lambda: history.capacity
        )
        gauge("held_readings", "Readings far ahead that wait for the next one to confirm them", lambda: len(continuity))
        gauge("confirmed_jumps", "Of those, how many have been confirmed since the start", lambda: continuity.confirmed)
