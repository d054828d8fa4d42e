"""Records that end before engines do: as many as asked for, and nothing else of them is changed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.conftest import wearing_engines
from training.data.censoring import Scheme, censored, kept_cycles
from training.data.dataset import Dataset
from training.data.endings import Ending
from training.data.labels import remaining_useful_life

LIVES = st.lists(st.integers(1, 400), min_size=1, max_size=60).map(np.array)


@given(LIVES, st.floats(0, 0.99), st.sampled_from(Scheme), st.integers(0, 100))
def test_each_engine_keeps_one_cycle_or_more_and_none_gains_any(lives, share, scheme, seed) -> None:
    kept = kept_cycles(lives, share, scheme, np.random.default_rng(seed))
    assert kept.dtype == np.int64
    assert ((kept >= 1) & (kept <= lives)).all()


@given(st.floats(0, 0.99), st.sampled_from(Scheme), st.integers(0, 100))
def test_about_as_many_have_not_failed_as_asked_for(share, scheme, seed) -> None:
    lives = np.random.default_rng(1).integers(130, 360, 100)
    kept = kept_cycles(lives, share, scheme, np.random.default_rng(seed))
    assert np.count_nonzero(kept < lives) == pytest.approx(100 * share, abs=1.5)


def test_a_closing_date_cuts_those_more_that_live_long() -> None:
    lives = np.repeat([100, 300], 200)
    kept = kept_cycles(lives, 0.5, Scheme.CLOSING_DATE, np.random.default_rng(0))
    short, long = (kept < lives)[:200].mean(), (kept < lives)[200:].mean()
    assert long > 2 * short > 0


def test_the_same_seed_cuts_the_same_engines() -> None:
    lives = np.arange(100, 200)
    one, same, other = (kept_cycles(lives, 0.5, Scheme.RANDOM, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.tolist() == same.tolist() != other.tolist()


def test_what_is_left_is_what_was_and_its_rul_is_the_true_one() -> None:
    engines = wearing_engines([50, 60])
    data = Dataset("TINY", engines, remaining_useful_life(engines), "")
    cut = censored(data, np.array([20, 60]))
    assert cut.trajectories.lengths.tolist() == [20, 60]
    assert cut.endings == (Ending.RUNNING, Ending.FAILED)
    np.testing.assert_array_equal(cut.trajectories.values[:20], engines.values[:20])
    np.testing.assert_array_equal(cut.trajectories.values[20:], engines.values[50:])
    assert cut.rul[[0, 19, 20, -1]].tolist() == [49, 30, 59, 0]
