"""What has arrived upstream, held against what was sent and against the truth."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from sklearn.metrics import accuracy_score, f1_score

from scoring.names import CYCLE, ENGINE
from simulator.cloud.upstream import Received, received
from training.data.dataset import Dataset
from training.data.labels import Classes

PREFIX = "Client_"


@dataclass(frozen=True)
class Quality:
    """How good the predictions that arrived are, over all cycles."""

    accuracy: float
    macro_f1: float


class Tally:
    """Counts what arrives upstream, by the id of the reading that it answers."""

    def __init__(self, upstream: Path, truth: Dataset, classes: Classes) -> None:
        """Begin to count.

        Args:
            upstream: The SQLite file of the cloud's end.
            truth: The readings that are fed, with their true RUL.
            classes: The RUL classes that the model tells.
        """
        self._upstream = upstream
        self._seq = 0
        true_classes = (classes.names[index] for index in classes.of(truth.rul))
        trajectories = truth.trajectories
        self._truth = {
            (f"{PREFIX}{unit:03d}", int(cycle)): true_class
            for unit, cycle, true_class in zip(trajectories.units, trajectories.cycles, true_classes, strict=True)
        }
        self._ids: set[str | None] = set()
        self._answered: set[str | None] = set()
        self._predicted: dict[tuple[str, int], str] = {}
        self._newest: dict[str, int] = {}
        self._seconds: list[float] = []
        self._arrivals: list[float] = []
        self.repeats = 0
        """Messages whose id had arrived before: what at-least-once delivery may bring."""
        self.dead_letters: Counter[str] = Counter()
        """By reason."""
        self.alerted: set[str] = set()
        """Engines that raised an alert."""

    @property
    def scored(self) -> int:
        """Cycles of engines that have their prediction upstream."""
        return len(self._predicted)

    @property
    def answered(self) -> int:
        """Readings that have an answer upstream, be it a prediction or a dead letter."""
        return len(self._answered)

    @property
    def upstream(self) -> int:
        """Different messages upstream."""
        return len(self._ids)

    def read(self) -> bool:
        """Take in what has arrived since the last time; False if that is nothing."""
        before = self._seq
        for message in received(self._upstream, self._seq):
            self._seq = message.seq
            if message.message_id in self._ids:
                self.repeats += 1
            else:
                self._ids.add(message.message_id)
                self._take(message)
        return self._seq > before

    def latency(self, percent: float) -> float:
        """A percentile of the seconds from sending a reading to its prediction's arrival upstream."""
        return float(np.percentile(self._seconds, percent)) if self._seconds else float("nan")

    @property
    def rate(self) -> float:
        """Answers a second, from the first that arrived to the last."""
        seconds = self._arrivals[-1] - self._arrivals[0] if self._arrivals else 0.0
        return (len(self._arrivals) - 1) / seconds if seconds else float("inf")

    def by_class(self) -> Counter[str]:
        """How many engines are in each class, by the newest prediction of each."""
        return Counter(self._predicted[key] for key in self._newest.items())

    def quality(self) -> Quality:
        """The predictions that arrived against the truth."""
        truth = [self._truth[key] for key in self._predicted]
        found = list(self._predicted.values())
        return Quality(float(accuracy_score(truth, found)), float(f1_score(truth, found, average="macro")))

    def _take(self, message: Received) -> None:
        if message.output == "deadletter":
            self._answer(message)
            self.dead_letters[message.properties["reason"]] += 1
            return
        record = json.loads(message.body)
        engine, cycle = record[ENGINE], record[CYCLE]
        if message.output == "alerts":
            self.alerted.add(engine)
            return
        self._answer(message)
        self._predicted[engine, cycle] = record["RulClass"]
        self._newest[engine] = max(cycle, self._newest.get(engine, 0))
        created = datetime.fromisoformat(message.properties["creationTimeUtc"]).timestamp()
        self._seconds.append(message.enqueued - created)

    def _answer(self, message: Received) -> None:
        self._answered.add(message.correlation_id)
        self._arrivals.append(message.enqueued)
