"""What rulclassifier counts and shows."""

from __future__ import annotations

from modules.edge.host.metrics import Metrics
from modules.edge.hub.client import EdgeClient
from modules.edge.journal import Journal
from modules.edge.journal.outbox import Outbox
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

    def watch_edge(self, journal: Journal, outbox: Outbox, client: EdgeClient) -> None:
        """Show what waits, and what became of it, whenever somebody looks.

        Args:
            journal: Shows how full it is.
            outbox: Shows what is in hand.
            client: Shows whether it is connected.
        """
        gauge = self._metrics.gauge
        gauge("inbox_messages", "Messages taken and not yet answered", lambda: journal.inbox_entries)
        gauge("outbox_messages", "Answers that edgeHub has not yet acknowledged", lambda: journal.outbox_entries)
        gauge("outbox_in_memory", "Of those, how many are in memory and not yet under way", lambda: outbox.in_memory)
        gauge(
            "replaced_messages",
            "Answers that edgeHub does not take, replaced by a dead letter since the start",
            lambda: outbox.replaced,
        )
        gauge("journal_bytes", "What inbox and outbox take on disk", lambda: journal.bytes)
        gauge(
            "journal_limit_bytes",
            "What they may take; at the limit edgeHub keeps further messages",
            lambda: journal.limit,
        )
        gauge("journal_set_aside", "Broken journals that this start set aside", lambda: journal.set_aside)
        gauge("journal_trouble", "1 while the disk does not take what is written", lambda: journal.trouble is not None)
        gauge("journal_damaged_rows", "Damaged rows that were put aside since the start", lambda: journal.damaged)
        gauge(
            "refused_inputs",
            "Inputs that were not taken since the start, for want of room or because of the disk; edgeHub keeps them",
            lambda: journal.refused,
        )
        gauge("connections", "Connections to edgeHub made since the start", lambda: client.connections)
        gauge("connected", "1 while connected to edgeHub", lambda: client.is_connected)

    def watch_engines(self, history: History, continuity: Continuity) -> None:
        """Show what is remembered of engines whenever somebody looks."""
        gauge = self._metrics.gauge
        gauge("engines", "Engines whose history is kept", lambda: len(history))
        gauge(
            "engines_limit", "Engines whose history can be kept; the least recently seen goes", lambda: history.capacity
        )
        gauge("held_readings", "Readings far ahead that wait for the next one to confirm them", lambda: len(continuity))
        gauge("confirmed_jumps", "Of those, how many have been confirmed since the start", lambda: continuity.confirmed)
