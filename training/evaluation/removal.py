"""When to take engines out: rules, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.model.curve import Curve
from scoring.model.outputs import Outputs
from training.data.dataset import Dataset
from training.errors import DataError

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

_THRESHOLDS = np.round(np.arange(0.02, 1.0, 0.02), 2)
_PRICES = np.array([float(f"{each:.2g}") for each in np.geomspace(1e-4, 0.5, 60)])
_ROWS = 2048


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
        kind: `curve`: remove when that is best by the engine's curve, for a price of a failure; `probability`: when
            that of the shortest class reaches a threshold; `age`: after so many cycles; `failure`: never.
        at: Failures that a cycle in service may cost, the threshold, or the age in cycles; 0 for `failure`.
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
            "curve": f"remove when each further cycle would cost {self.at:.2g} failures or more",
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


def rules(said: Outputs, curve: Curve, data: Dataset) -> list[Rule]:
    """Removal by the curve, at the first alert by threshold, at a fixed age, and at failure, with what came of each.

    Args:
        said: Of engines that the predicting model had not seen.
        curve: What the output `survival` is of.
        data: Engines that ran to failure.
    """
    lives, cycles = data.trajectories.ends, data.trajectories.cycles
    bounds = list(zip(np.append(0, data.last[:-1] + 1).tolist(), (data.last + 1).tolist(), strict=True))

    def judged(kind: str, at: float, removed: NDArray[np.int64]) -> Rule:
        """A rule by the cycle after which it removes each engine; beyond its life: it fails."""
        failed = removed >= lives
        flown = np.minimum(removed, lives)
        wasted = (lives - flown)[~failed].mean() if (~failed).any() else 0.0
        return Rule(kind, at, float(failed.mean()), float(flown.mean()), float(wasted))

    found = []
    for kind, levels, value in (
        ("curve", _PRICES, price_of_staying(said.survival, curve)),
        ("probability", _THRESHOLDS, said.probabilities[:, 0]),
    ):
        for level in levels:
            on = value >= level
            # Beyond its life where it never comes.
            first = [np.append(cycles[s:e], lives.max() + 1)[np.argmax(np.append(on[s:e], True))] for s, e in bounds]
            found.append(judged(kind, float(level), np.array(first)))
    found += [judged("age", float(age), np.full(len(lives), age)) for age in range(50, lives.max(), 5)]
    return [*found, judged("failure", 0.0, lives)]


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
    # Of equals, the simplest: who waits for what never comes runs engines to failure as well.
    return sorted(best.values(), key=lambda rule: (rule.cost(costs), rule.kind != "failure"))


def price_of_staying(survival: FloatArray, curve: Curve) -> DoubleArray:
    """What it costs at least to leave an engine in service, float64 [rows], in failures for a cycle.

    Whoever leaves it for t cycles more risks a failure with chance F(t), and gains the cycles that it flies until then,
    the integral of 1 - F. Their ratio by the best t is compared with what a cycle in service is worth: taking the
    engine out now is best if the price of a failure, times this, is more than what engines cost for a cycle in the long
    run. That is the condition under which age replacement (R. Barlow, L. Hunter, "Optimum preventive maintenance
    policies", Operations Research 8(1), 1960) of what is left of a life ends at once.

    Args:
        survival: float32 [rows, edges], how likely engines last longer than each edge.
        curve: What it is of.
    """
    parts = []
    for start in range(0, len(survival), _ROWS):
        failed, flown = _staying(survival[start : start + _ROWS], curve)
        parts.append((failed[:, 1:] / flown[:, 1:]).min(axis=1))
    return np.concatenate(parts)


def best_removal(survival: FloatArray, curve: Curve, price: float) -> NDArray[np.int64]:
    """After how many cycles more it is best to take an engine out, int64 [rows]; 0: now.

    Args:
        survival: float32 [rows, edges], how likely engines last longer than each edge.
        curve: What it is of.
        price: What a cycle in service is worth, in failures: the level of the rule `curve`.
    """
    failed, flown = _staying(survival, curve)
    return np.asarray(np.argmin(failed - price * flown, axis=1))


def _staying(survival: FloatArray, curve: Curve) -> tuple[DoubleArray, DoubleArray]:
    """How likely engines have failed after 0, 1, 2 ... cycles more, and how many they have flown until then."""
    lasts = curve.lasts(survival, range(int(curve.beyond[-1]) + 1)).astype(np.float64)
    flown = np.cumsum((lasts[:, 1:] + lasts[:, :-1]) / 2, axis=1)
    return 1.0 - lasts, np.concatenate([np.zeros((len(lasts), 1)), flown], axis=1)
