"""What to do with predictions: alerts, their lead time, and the policy that costs least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.errors import DataError

RECALL = 0.95
"""The share of cycles of the shortest class in which the alert must be on."""

_THRESHOLDS = np.round(np.arange(0.02, 1.0, 0.02), 2)


def alert_threshold(probability: NDArray[np.float32], due: NDArray[np.bool_], recall: float = RECALL) -> float:
    """The highest threshold that still finds the asked share of what is due.

    Args:
        probability: float32 [rows], of the shortest class, for engines that the predicting model had not seen.
        due: bool [rows], whether the row is truly of that class.
        recall: The share of due rows to find.

    Returns:
        The threshold, rounded down to 3 digits; an alert is on where the probability reaches it. 1 if nothing is due.
    """
    if not due.any():
        return 1.0
    found = float(np.quantile(probability[due], 1 - recall, method="lower"))
    return float(np.floor(found * 1000) / 1000)


@dataclass(frozen=True)
class Alerts:
    """How good an alert on the shortest class is.

    Attributes:
        threshold: The probability from which on it is raised.
        recall: Share of the class's rows in which it is on; None without such rows.
        precision: Share of the rows in which it is on that are of the class; None if it never is.
        warned: Share of the engines that came into the class for which it was raised before the data end.
        lead: Cycles from an engine's first alert to its failure: 5th percentile, median, 95th; None without alerts.
    """

    threshold: float
    recall: float | None
    precision: float | None
    warned: float | None
    lead: tuple[float, float, float] | None


def alerts(probability: NDArray[np.float32], data: Dataset, edge: float, threshold: float) -> Alerts:
    """Judge an alert by what happened.

    Args:
        probability: float32 [rows], of the shortest class.
        data: What was predicted, with the truth.
        edge: The largest RUL of the shortest class, in cycles.
        threshold: The probability from which on the alert is raised.
    """
    on, due = probability >= threshold, data.rul <= edge
    units = data.trajectories.units
    first = np.flatnonzero(on)
    first = first[np.unique(units[first], return_index=True)[1]]
    lead = np.percentile(data.rul[first], [5, 50, 95]) if len(first) else None
    came_due = np.unique(units[due])
    return Alerts(
        threshold=threshold,
        recall=float(on[due].mean()) if due.any() else None,
        precision=float(due[on].mean()) if on.any() else None,
        warned=float(np.isin(came_due, units[first]).mean()) if len(came_due) else None,
        lead=None if lead is None else (float(lead[0]), float(lead[1]), float(lead[2])),
    )


@dataclass(frozen=True)
class Costs:
    """What an engine's removal costs, in any one currency.

    Attributes:
        failure: Of an engine that failed in service, the replacement included.
        removal: Of an engine that was removed in time.
    """

    failure: float = 10.0
    removal: float = 1.0

    def __post_init__(self) -> None:
        if not (0 < self.removal < np.inf and 0 < self.failure < np.inf):
            raise DataError(f"a failure at {self.failure:g} and a removal at {self.removal:g}: give costs above 0")


@dataclass(frozen=True)
class Rule:
    """A rule for removing engines, and what came of it.

    Attributes:
        kind: `probability`: remove when that of the shortest class reaches a threshold; `age`: remove after so many
            cycles; `failure`: never remove.
        at: The threshold, or the age in cycles; 0 for `failure`.
        failures: Share of engines that fail in service.
        flown: Cycles that an engine is in service, on average.
        wasted: Cycles that removed engines could still have flown, on average.
    """

    kind: str
    at: float
    failures: float
    flown: float
    wasted: float

    @property
    def name(self) -> str:
        """The rule in words."""
        return {
            "probability": f"remove when the probability reaches {self.at:.2f}",
            "age": f"remove after {self.at:.0f} cycles",
            "failure": "run to failure",
        }[self.kind]

    def cost(self, costs: Costs) -> float:
        """What an engine costs per 1,000 cycles flown, in the long run.

        The mean cost of an engine divided by its mean life in service (R. Barlow, L. Hunter, "Optimum preventive
        maintenance policies", Operations Research 8(1), 1960).
        """
        mean = self.failures * costs.failure + (1 - self.failures) * costs.removal
        return mean / self.flown * 1000


def rules(probability: NDArray[np.float32], data: Dataset) -> list[Rule]:
    """Removal at the first alert by threshold, at a fixed age, and at failure, each with what came of it.

    Args:
        probability: float32 [rows], of the shortest class, for engines that the predicting model had not seen.
        data: Engines that ran to failure.
    """
    lengths, starts = data.trajectories.lengths, np.append(0, data.last[:-1] + 1)

    def judged(kind: str, at: float, removed: NDArray[np.int64]) -> Rule:
        """A rule by the cycle after which it removes each engine; beyond its life: it fails."""
        failed = removed >= lengths
        flown = np.minimum(removed, lengths)
        wasted = (lengths - flown)[~failed].mean() if (~failed).any() else 0.0
        return Rule(kind, at, float(failed.mean()), float(flown.mean()), float(wasted))

    found = []
    for threshold in _THRESHOLDS:
        on = probability >= threshold
        first = np.array([np.argmax(np.append(on[s : s + n], True)) + 1 for s, n in zip(starts, lengths, strict=True)])
        found.append(judged("probability", float(threshold), first))
    found += [judged("age", float(age), np.full(len(lengths), age)) for age in range(50, lengths.max(), 5)]
    return [*found, judged("failure", 0.0, lengths)]


def cheapest(found: Sequence[Rule], costs: Costs) -> list[Rule]:
    """The cheapest rule of each kind, the cheapest first.

    Args:
        found: What `rules` found.
        costs: What failing and removing cost.
    """
    best: dict[str, Rule] = {}
    for rule in found:
        if rule.kind not in best or rule.cost(costs) < best[rule.kind].cost(costs):
            best[rule.kind] = rule
    return sorted(best.values(), key=lambda rule: rule.cost(costs))
