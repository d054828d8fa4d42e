import tracemalloc
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scoring.model.signature import Field
from scoring.telemetry.items import batches, size, unfolded
from scoring.wire.items import ItemParser
from tests.onnx_models import signature

W = 5
FIELDS = (Field("CycleTime"), Field("a"))
parser = ItemParser(signature(fields=FIELDS))
plain = ItemParser(signature(fields=FIELDS, cycle="", window=1))

rows = st.lists(st.tuples(st.integers(1, 20), st.floats(-9, 9, width=32) | st.none()).map(list), min_size=1)


def filled(window, length: int = W) -> bytes:
    room = np.empty((length, len(FIELDS)), np.float32)
    window.fill(room)
    return room.tobytes()


@given(rows)
def test_each_message_is_scored_as_the_last_of_a_window_of_those_before_it(messages: list) -> None:
    trajectory = parser.check({"ConnectionDeviceId": "e", "rows": messages, "each": True})
    cycles = sorted({cycle for cycle, _ in messages})
    assert [(each.engine, each.cycle) for each in trajectory.windows] == [("e", cycle) for cycle in cycles]
    for window in trajectory.windows:
        expected = parser.check({"rows": [each for each in messages if each[0] <= window.cycle]})
        assert filled(window) == filled(expected)


def test_a_gap_of_a_million_cycles_takes_no_memory() -> None:
    tracemalloc.start()
    trajectory = parser.check({"rows": [[1, 2.0], [1_000_000, 3.0]], "each": True})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000
    assert trajectory.values.shape == (2, W, len(FIELDS))
    assert np.isnan(trajectory.values[:, :-1]).all()


def test_a_model_that_counts_no_cycles_answers_each_row_for_itself() -> None:
    messages = [[7, 1.0], [7, None], [3, 2.0]]
    trajectory = plain.check({"rows": messages, "each": True})
    expected = [plain.check({"rows": [each]}) for each in messages]
    assert [filled(window, 1) for window in trajectory.windows] == [filled(each, 1) for each in expected]


@given(st.lists(st.integers(1, 6), max_size=8))
def test_no_group_is_larger_than_it_may_be_unless_it_is_a_single_item(sizes: list[int]) -> None:
    items = [parser.check({"rows": [[n + 1, 0.0] for n in range(count)], "each": count > 1}) for count in sizes]
    groups = list(batches(items, 4))
    assert [item for group in groups for item in group] == items
    for group in groups:
        assert len(unfolded(group)) <= 4 or len(group) == 1
    for one, other in pairwise(groups):
        assert sum(map(size, one)) + size(other[0]) > 4
