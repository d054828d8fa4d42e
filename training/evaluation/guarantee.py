"""The alert's threshold, with a bound on what it misses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.errors import DataError

ALPHA = 0.05
"""The share of due cycles that the alert may miss, where nobody says another."""
OFFERED = (0.01, 0.02, 0.05, 0.1, 0.2)
"""For which a threshold is kept beside the one that is set, so that another can be chosen without a new model."""

_HALVES = 200
_DIGITS = 1000
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Guarantee:
    """When an alert is raised, and what that promises of an engine like those it was learned from.

    Attributes:
        alpha: The share of its due cycles, up to any moment of them, in which it is expected to be without an alert is
            at most this.
        threshold: The probability from which on an alert is raised.
        engines: How many engines it was learned from.
        thresholds: The same for other shares, as far as so many engines can show them.
        risk: What was missed of half the engines by the threshold of the other half, over 200 random halves: mean, and
            the value that 95% of them do not exceed. None with too few engines.
    """

    alpha: float
    threshold: float
    engines: int
    thresholds: dict[float, float]
    risk: tuple[float, float] | None


def guaranteed(probability: NDArray[np.float32], data: Dataset, alpha: float | None = None) -> Guarantee:
    """The highest threshold that keeps a risk, by conformal risk control.

    The risk is the expected share of an engine's due cycles (those of the shortest class) that pass without an alert,
    if its record ends at any of these cycles with the same chance: engines in service are at any stage of their last
    cycles, and the first of them are the ones that are missed. A. N. Angelopoulos, S. Bates, A. Fisch, L. Lei,
    T. Schuster, "Conformal risk control", ICLR 2024. Probabilities are those of cross-validation, while the model
    learned from all engines, so that the bound is as good as cross-validation is (R. F. Barber et al., "Predictive
    inference with the jackknife+", Annals of Statistics 49(1), 2021).

    Args:
        probability: float32 [rows], of the shortest class, for engines that the predicting model had not seen.
        data: Engines that failed.
        alpha: The risk to keep; None: `ALPHA`, or the least that so few engines can show.

    Raises:
        DataError: So few engines can show no risk as small as alpha.
    """
    alpha = attainable(data, alpha)
    missable = _Missable.of(probability, data)
    engines = missable.engines
    offered = {each: missable.threshold(each) for each in OFFERED if each * (engines + 1) >= 1}
    return Guarantee(alpha, missable.threshold(alpha), engines, offered, missable.halves(alpha))


def attainable(data: Dataset, alpha: float | None) -> float:
    """The risk that so many engines can show.

    Args:
        data: Engines that failed.
        alpha: What is asked for; None: `ALPHA`, or the least that they can show.

    Raises:
        DataError: They can show no risk as small as alpha.
    """
    engines = len(np.unique(data.trajectories.units[_due(data)]))
    least = 1 / (engines + 1)
    if alpha is None:
        return max(ALPHA, least)
    if alpha < least - _ROUNDING:
        raise DataError(
            f"alpha {alpha:g}: {engines} engines that failed can show no less than {least:.2g}; it takes "
            f"{int(np.ceil(1 / alpha - _ROUNDING)) - 1} engines, or a larger alpha"
        )
    return alpha


def _due(data: Dataset) -> NDArray[np.int64]:
    """The rows of the shortest class."""
    return np.flatnonzero(data.rul <= data.task.classes.edges[0])


@dataclass(frozen=True)
class _Missable:
    """Due cycles, each with its share of its engine's loss, the least probable first.

    Attributes:
        probability: float64 [cycles], rising.
        weight: float64 [cycles], an engine's add up to 1.
        engine: int64 [cycles], from 0.
        engines: How many there are.
    """

    probability: NDArray[np.float64]
    weight: NDArray[np.float64]
    engine: NDArray[np.int64]
    engines: int

    @classmethod
    def of(cls, probability: NDArray[np.float32], data: Dataset) -> _Missable:
        due = _due(data)
        _, engine, counts = np.unique(data.trajectories.units[due], return_inverse=True, return_counts=True)
        # A record that ends after j cycles weighs each of them 1/j; all ends are as likely.
        weights = [np.cumsum((1 / np.arange(1, count + 1))[::-1])[::-1] / count for count in counts]
        order = np.argsort(probability[due], kind="stable")
        weight = np.concatenate(weights) if weights else np.zeros(0)
        return cls(probability[due][order].astype(np.float64), weight[order], engine[order], len(counts))

    def threshold(self, alpha: float) -> float:
        """The highest threshold that keeps the risk, rounded down to 3 digits; 1 if nothing is ever due."""
        if not self.engines:
            return 1.0
        room = (self.engines + 1) * alpha - 1
        place = int(np.searchsorted(np.cumsum(self.weight), room + _ROUNDING, side="right"))
        found = self.probability[place] if place < len(self.probability) else 1.0
        return float(np.floor(found * _DIGITS) / _DIGITS)

    def missed(self, threshold: float) -> float:
        """The mean over engines of what a threshold misses."""
        return float(self.weight[self.probability < threshold].sum() / self.engines)

    def part(self, engines: NDArray[np.int64]) -> _Missable:
        """That of some engines."""
        kept = np.isin(self.engine, engines)
        return _Missable(self.probability[kept], self.weight[kept], self.engine[kept], len(engines))

    def halves(self, alpha: float) -> tuple[float, float] | None:
        """What the threshold of half the engines misses of the others: mean, and the 95th percentile."""
        half = self.engines // 2
        if not half or alpha < 1 / (half + 1):
            return None
        rng = np.random.default_rng(0)
        risks = []
        for _ in range(_HALVES):
            order = rng.permutation(self.engines)
            threshold = self.part(order[:half]).threshold(alpha)
            risks.append(self.part(order[half:]).missed(threshold))
        return float(np.mean(risks)), float(np.percentile(risks, 95))
