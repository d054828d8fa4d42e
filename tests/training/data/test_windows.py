"""Windows hold what a device knows after each cycle, and labels what is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.wire.cmapss import Trajectories
from tests.training.conftest import wearing_engines
from training.data.labels import Classes, remaining_useful_life
from training.data.task import CMAPSS
from training.data.windows import windows
from training.errors import DataError, LabelError

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@given(LENGTHS, st.integers(1, 15))
def test_a_window_is_what_a_device_has_kept_of_its_messages(lengths, length):
    trajectories = wearing_engines(lengths)
    made = windows(trajectories, length)
    assert made.dtype == np.float32
    for row in range(len(trajectories)):
        first = row - int(trajectories.cycles[row]) + 1
        kept = trajectories.values[max(first, row - length + 1) : row + 1].astype(np.float32)
        np.testing.assert_array_equal(made[row, length - len(kept) :], kept)
        assert np.isnan(made[row, : length - len(kept)]).all()


@given(LENGTHS, st.integers(1, 15), st.randoms(use_true_random=False))
def test_where_cycles_are_absent_a_window_has_the_same_slots_without_them(lengths, length, chance):
    trajectories = wearing_engines(lengths)
    # The first and the last of each engine stay: what is before or after them is no gap.
    ends = np.cumsum(trajectories.lengths) - 1
    kept = np.array([chance.random() < 0.6 for _ in range(len(trajectories))]) | (trajectories.cycles == 1)
    kept[ends] = True
    torn = Trajectories(trajectories.units[kept], trajectories.cycles[kept], trajectories.values[kept])
    expected, found = windows(trajectories, length), windows(torn, length)
    for row, number in enumerate(np.flatnonzero(kept)):
        for age in range(min(length, int(trajectories.cycles[number]))):
            if not kept[number - age]:
                expected[number, length - 1 - age] = np.nan
        np.testing.assert_array_equal(found[row], expected[number])
    assert remaining_useful_life(torn).tolist() == remaining_useful_life(trajectories)[kept].tolist()


@given(LENGTHS)
def test_rul_counts_down_to_zero_at_failure(lengths):
    trajectories = wearing_engines(lengths)
    rul = remaining_useful_life(trajectories)
    assert rul.tolist() == [left for length in lengths for left in range(length - 1, -1, -1)]


def test_rul_of_test_engines_counts_down_to_what_is_left():
    rul = remaining_useful_life(wearing_engines([3, 2]), np.array([10, 7]))
    assert rul.tolist() == [12, 11, 10, 8, 7]


def test_a_rul_file_of_other_engines_is_refused():
    with pytest.raises(DataError, match="RUL of 3 engines for trajectories of 2"):
        remaining_useful_life(wearing_engines([3, 2]), np.array([1, 2, 3]))


def test_the_edges_of_a_class_belong_to_it():
    classes = CMAPSS.classes
    rul = np.array([0, 25, 26, 75, 76, 150, 151, 500])
    assert [classes.names[each] for each in classes.of(rul)] == [
        "F25", "F25", "F75", "F75", "F150", "F150", "Full", "Full",
    ]  # fmt: skip


def test_classes_can_have_other_edges():
    classes = Classes(("soon", "later"), (10.0,))
    assert classes.of(np.array([10, 11])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("names", "edges"), [(("a", "b"), (1.0, 2.0)), (("a", "a"), (1.0,)), (("a", "b", "c"), (2.0, 1.0))]
)
def test_classes_that_contradict_their_edges_are_refused(names, edges):
    with pytest.raises(LabelError, match="class"):
        Classes(names, edges)
