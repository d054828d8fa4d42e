"""The alert's threshold keeps what it promises, and promises nothing that so few engines cannot show."""

import numpy as np
import pytest

from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import remaining_useful_life
from training.errors import DataError
from training.evaluation.guarantee import guaranteed


def engines(count: int, seed: int = 0) -> tuple[np.ndarray, Dataset]:
    """Engines, and a probability for each row that rises towards failure, of some earlier than of others."""
    rng = np.random.default_rng(seed)
    trajectories = wearing_engines(rng.integers(60, 90, count))
    data = Dataset("MANY", trajectories, remaining_useful_life(trajectories), "")
    late = np.repeat(rng.normal(0, 5, count), trajectories.lengths)
    noise = rng.normal(0, 3, len(data.rul))
    return (1 / (1 + np.exp((data.rul - 20 + late + noise) / 4))).astype(np.float32), data


def missed(probability: np.ndarray, data: Dataset, threshold: float) -> float:
    """The share of an engine's due cycles without an alert, its record ending anywhere in them; mean of engines."""
    shares = []
    for unit in np.unique(data.trajectories.units):
        rows = np.flatnonzero((data.trajectories.units == unit) & (data.rul <= 25))
        without = probability[rows] < threshold
        shares.append(np.mean([without[: end + 1].mean() for end in range(len(rows))]))
    return float(np.mean(shares))


@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.2])
def test_of_engines_that_were_not_seen_no_more_is_missed_than_promised(alpha: float) -> None:
    seen = guaranteed(*engines(100), alpha)
    risks = [missed(*engines(100, seed), seen.threshold) for seed in range(1, 6)]
    assert np.mean(risks) <= alpha * 1.25
    assert seen.risk[0] <= alpha
    assert (seen.alpha, seen.engines) == (alpha, 100)


def test_the_threshold_is_the_highest_that_keeps_it() -> None:
    probability, data = engines(100)
    found = guaranteed(probability, data, 0.05)
    room = (101 * 0.05 - 1) / 100
    assert missed(probability, data, found.threshold) <= room
    assert missed(probability, data, found.threshold + 0.02) > room


def test_others_are_kept_beside_it_and_a_smaller_risk_has_a_lower_one() -> None:
    found = guaranteed(*engines(60))
    assert found.alpha == 0.05
    assert list(found.thresholds) == [0.02, 0.05, 0.1, 0.2]
    assert list(found.thresholds.values()) == sorted(found.thresholds.values())
    assert found.thresholds[0.05] == found.threshold


def test_a_risk_that_so_few_engines_cannot_show_is_refused_with_how_many_it_takes() -> None:
    probability, data = engines(30)
    with pytest.raises(
        DataError, match=r"alpha 0\.01: 30 engines that failed can show no less than 0\.032.*99 engines"
    ):
        guaranteed(probability, data, 0.01)
    assert guaranteed(probability, data, 1 / 31).threshold <= probability[data.rul <= 25].min()


def test_where_nobody_says_one_few_engines_promise_what_they_can() -> None:
    found = guaranteed(*engines(9))
    assert found.alpha == pytest.approx(0.1)
    assert found.risk is None


def test_without_anything_due_no_alert_is_raised() -> None:
    probability, data = engines(5)
    healthy = Dataset("YOUNG", data.trajectories, data.rul + 100, "")
    assert guaranteed(probability, healthy).threshold == 1.0
