"""What to do with predictions: alerts, their lead time, and the policy that costs least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset

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


@dataclass(frozen=True)
class Policy:
    """A rule for removing engines, with what it costs in the long run.

    Attributes:
        name: The rule.
        cost: Per 1,000 cycles flown.
        failures: Share of engines that fail in service.
        wasted: Cycles that removed engines could still have flown, on average.
    """

    name: str
    cost: float
    failures: float
    wasted: float


def policies(probability: NDArray[np.float32], data: Dataset, costs: Costs) -> list[Policy]:
    """Policies from the cheapest on: removal at the first alert by threshold, at a fixed age, or at failure.

    The long-run cost is the mean cost of an engine divided by its mean life in service (R. Barlow, L. Hunter, "Optimum
    preventive maintenance policies", Operations Research 8(1), 1960).

    Args:
        probability: float32 [rows], of the shortest class, for engines that the predicting model had not seen.
        data: Engines that ran to failure.
        costs: What failing and removing cost.

    Returns:
        The cheapest threshold, the cheapest fixed age, and running to failure, sorted by cost.
    """
    lengths, starts = data.trajectories.lengths, np.append(0, data.last[:-1] + 1)

    def judged(name: str, removed: NDArray[np.int64]) -> Policy:
        """A policy by the cycle after which it removes each engine; beyond its life: it fails."""
        failed = removed >= lengths
        flown = np.minimum(removed, lengths)
        cost = np.where(failed, costs.failure, costs.removal).mean() / flown.mean() * 1000
        wasted = (lengths - flown)[~failed].mean() if (~failed).any() else 0.0
        return Policy(name, float(cost), float(failed.mean()), float(wasted))

    by_alert = []
    for threshold in _THRESHOLDS:
        on = probability >= threshold
        first = np.array([np.argmax(np.append(on[s : s + n], True)) + 1 for s, n in zip(starts, lengths, strict=True)])
        by_alert.append(judged(f"remove when the probability reaches {threshold:.2f}", first))
    by_age = [judged(f"remove after {age} cycles", np.full(len(lengths), age)) for age in range(50, lengths.max(), 5)]
    best = [min(each, key=lambda policy: policy.cost) for each in (by_alert, by_age) if each]
    return sorted([*best, judged("run to failure", lengths)], key=lambda policy: policy.cost)
