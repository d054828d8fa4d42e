"""Differences of two models, collected prediction by prediction."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scoring.predictions.prediction import Prediction

# As many as one reads.
_WORST = 10
_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """What two models say of one record, and where it stands.

    Attributes:
        place: The file and the number of the message.
        first: What model A says.
        second: What model B says.
    """

    place: str
    first: Prediction
    second: Prediction

    @property
    def rul(self) -> float | None:
        """By how many cycles B's median RUL is above A's; None where a model has none.

        Where both tell a middle, which no cap cuts, that is compared.
        """
        if self.first.middle is not None and self.second.middle is not None:
            return self.second.middle - self.first.middle
        return self.second.rul[1] - self.first.rul[1] if self.first.rul and self.second.rul else None

    @property
    def probability(self) -> float:
        """The share of probability that is at another class with B than with A, 0 to 1."""
        first, second = self.first.probabilities, self.second.probabilities
        return sum(abs(first.get(name, 0.0) - second.get(name, 0.0)) for name in {*first, *second}) / 2

    def record(self) -> dict[str, Any]:
        """The pair as a JSON object."""
        telemetry = self.first.telemetry
        return {
            "place": self.place,
            "engine": telemetry.engine,
            "cycle": telemetry.cycle,
            "rul": [None if not each.rul else round(each.rul[1], 2) for each in (self.first, self.second)],
            "quantiles": [quantiles(each) for each in (self.first, self.second)],
            "class": [self.first.label, self.second.label],
            "difference": None if self.rul is None else round(self.rul, 2),
            "probability": round(self.probability, 4),
        }


def quantiles(prediction: Prediction) -> list[float | None] | None:
    """Low, middle and high RUL, in cycles; None for a model without RUL, and as the middle of one without a curve."""
    if not prediction.rul:
        return None
    low, _, high = prediction.rul
    middle = None if prediction.middle is None else round(prediction.middle, 2)
    return [round(low, 2), middle, round(high, 2)]


@dataclass
class Differences:
    """All differences of two models on the same records; 4 bytes for each record, and the worst whole.

    Attributes:
        classes: A's classes, in its order.
        labels: How often A says the one class and B the other.
        unscored: Records that only one of both could score, by which: "A" or "B".
    """

    classes: tuple[str, ...] = ()
    labels: Counter[tuple[str | None, str | None]] = field(default_factory=Counter)
    unscored: Counter[str] = field(default_factory=Counter)
    _by_class: dict[str | None, array[float]] = field(default_factory=dict)
    _worst: list[tuple[float, float, int, Pair]] = field(default_factory=list)

    def add(self, pair: Pair) -> None:
        """Take what both say of one record."""
        label = pair.first.label
        self.labels[label, pair.second.label] += 1
        difference = pair.rul
        if difference is not None:
            self._by_class.setdefault(label, array("f")).append(difference)
        # Of equals the earlier counts, whatever the pairs are.
        rank = (abs(difference or 0.0), pair.probability, -self.rows, pair)
        if len(self._worst) < _WORST:
            heapq.heappush(self._worst, rank)
        else:
            heapq.heappushpop(self._worst, rank)

    @property
    def rows(self) -> int:
        """How many records both have scored."""
        return self.labels.total()

    @property
    def differing(self) -> int:
        """For how many of these the classes differ."""
        return sum(count for (first, second), count in self.labels.items() if first != second)

    def worst(self) -> list[Pair]:
        """The records on which RUL, or else the probabilities, differ most, the worst first; none that agree."""
        return [pair for cycles, share, _, pair in sorted(self._worst, reverse=True) if cycles or share]

    def distribution(self) -> dict[str, float]:
        """RUL by B less RUL by A, in cycles; empty where a model has none."""
        return _distribution(np.concatenate([np.array(each) for each in self._by_class.values()] or [np.empty(0)]))

    def by_class(self) -> dict[str | None, dict[str, Any]]:
        """By A's class: records, how many B puts in the same class, and the distribution of RUL's difference."""
        seen = {first for first, _ in self.labels}
        return {
            name: {
                "rows": sum(count for (first, _), count in self.labels.items() if first == name),
                "same": self.labels[name, name],
                **_distribution(np.array(self._by_class.get(name, ()))),
            }
            for name in (*self.classes, None)
            if name in seen
        }

    def record(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        return {
            "rows": self.rows,
            "differing": self.differing,
            "unscored": dict(self.unscored),
            "labels": [{"A": first, "B": second, "rows": n} for (first, second), n in self.labels.most_common()],
            "difference": self.distribution(),
            "by_class": [{"class": name, **figures} for name, figures in self.by_class().items()],
            "worst": [pair.record() for pair in self.worst()],
        }


def _distribution(differences: np.ndarray[Any, Any]) -> dict[str, float]:
    if not len(differences):
        return {}
    quantiles = np.quantile(differences, _QUANTILES)
    named = {f"p{100 * share:g}": round(float(value), 2) for share, value in zip(_QUANTILES, quantiles, strict=True)}
    return {
        "mean": round(float(differences.mean(dtype=np.float64)), 3),
        "mean_absolute": round(float(np.abs(differences).mean(dtype=np.float64)), 3),
        **named,
    }
