import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry, Reason
from scoring.telemetry.history import NEW_LIFE, Forgotten, History, Kept, Known
from scoring.telemetry.record import Telemetry

WINDOW = 5


def telemetry(cycle: int, value: float | None = None, engine: str = "Client_001") -> Telemetry:
    return Telemetry(engine, cycle, np.array([cycle, cycle if value is None else value], dtype=np.float32))


def insert(history: History, cycle: int, value: float | None = None, engine: str = "Client_001") -> list[float | None]:
    """The second column of the window that the record gets, None for an absent cycle."""
    window = np.empty((WINDOW, 2), dtype=np.float32)
    history.insert(telemetry(cycle, value, engine), window)
    return [None if np.isnan(each) else float(each) for each in window[:, 1]]


@pytest.fixture
def history() -> History:
    return History(WINDOW, 2, engines=3)


def test_a_first_message_stands_last_in_an_empty_window(history: History) -> None:
    assert insert(history, 8) == [None, None, None, None, 8]


def test_the_window_is_the_last_cycles_oldest_first(history: History) -> None:
    assert [insert(history, cycle) for cycle in range(1, 8)][-1] == [3, 4, 5, 6, 7]


def test_a_gap_stays_a_gap(history: History) -> None:
    insert(history, 1)
    assert insert(history, 4) == [None, 1, None, None, 4]


def test_a_gap_longer_than_the_window_empties_it(history: History) -> None:
    insert(history, 1)
    assert insert(history, 1000) == [None, None, None, None, 1000]


def test_a_repeated_cycle_replaces(history: History) -> None:
    insert(history, 1)
    insert(history, 2, 20)
    insert(history, 2, 21)
    assert insert(history, 3) == [None, None, 1, 21, 3]


def test_a_late_cycle_takes_its_place_and_is_judged_by_what_came_before_it(history: History) -> None:
    insert(history, 1)
    insert(history, 4)
    assert insert(history, 2) == [None, None, None, 1, 2]
    assert insert(history, 5) == [1, 2, None, 4, 5]


def test_a_cycle_that_is_too_late_for_the_window_is_refused_and_changes_nothing(history: History) -> None:
    insert(history, 10)
    with pytest.raises(InvalidTelemetry) as refused:
        insert(history, 5)
    assert refused.value.reason == Reason.STALE_CYCLE
    assert insert(history, 11) == [None, None, None, 10, 11]


def test_cycle_one_far_behind_is_a_new_engine_under_an_old_id(history: History) -> None:
    insert(history, 300)
    assert insert(history, 1) == [None, None, None, None, 1]
    assert insert(history, 2) == [None, None, None, 1, 2]


def test_the_least_recently_seen_engine_goes_first(history: History) -> None:
    for engine in "abcab":
        insert(history, 1, engine=engine)
    placed = history.insert(telemetry(1, engine="d"), np.empty((WINDOW, 2), dtype=np.float32))
    assert placed.changes[0] == Forgotten("c")
    assert list(history) == ["a", "b", "d"]


def test_a_record_that_is_almost_a_window_late_finds_its_own_window(history: History) -> None:
    for cycle in range(1, 21):
        if cycle != 16:
            insert(history, cycle)
    assert insert(history, 16) == [12, 13, 14, 15, 16]


def placed(history: History, cycle: int, value: float | None = None, engine: str = "Client_001", source: str = ""):
    values = telemetry(cycle, value).values
    window = np.empty((history.window, 2), dtype=np.float32)
    return history.insert(Telemetry(engine, cycle, values, source), window)


def test_the_same_reading_gets_the_answer_that_it_got_before() -> None:
    history = History(WINDOW, 2, answers=1)
    answer = np.array([7], dtype=np.float32)
    for cycle in (1, 2, 4, 5):
        assert placed(history, cycle).answer is None
        history.remember("Client_001", cycle, answer * cycle)
    # Its window would hold another row now.
    placed(history, 3)
    again = placed(history, 4)
    assert (again.repeats, again.answer.tolist()) == (True, [28])
    corrected = placed(history, 4, 40)
    assert (corrected.repeats, corrected.answer) == (False, None)


def test_eight_readings_in_a_row_that_contradict_the_past_begin_a_new_life(history: History) -> None:
    for cycle in range(1, 41):
        insert(history, cycle)
    for cycle in range(2, 9):
        with pytest.raises(InvalidTelemetry):
            insert(history, cycle, 100 + cycle)
    began = placed(history, 9, 109)
    assert (began.replaces, began.changes[0]) == (True, Forgotten("Client_001"))
    assert insert(history, 10, 110) == [None, None, None, 109, 110]


def test_a_new_life_keeps_those_of_its_readings_that_came_as_late_ones(history: History) -> None:
    history = History(20, 2)
    for cycle in range(1, 16):
        placed(history, cycle)
    for cycle in range(2, 10):
        last = placed(history, cycle, 100 + cycle)
    assert last.replaces
    kept = [each.cycle for each in last.changes if isinstance(each, Kept)]
    assert kept == list(range(2, 10))
    window = np.empty((20, 2), dtype=np.float32)
    history.insert(telemetry(10, 110), window)
    assert window[~np.isnan(window[:, 1]), 1].tolist() == [*range(102, 110), 110]


def test_a_leaf_that_sends_its_last_hundred_again_begins_no_new_life(history: History) -> None:
    for cycle in range(1, 201):
        insert(history, cycle)
    for cycle in range(101, 201):
        if cycle > 195:
            assert not placed(history, cycle).replaces
        else:
            with pytest.raises(InvalidTelemetry):
                insert(history, cycle)
    assert insert(history, 201) == [197, 198, 199, 200, 201]


def test_late_readings_that_fill_a_gap_begin_no_new_life() -> None:
    history = History(20, 2)
    placed(history, 1)
    placed(history, 20)
    assert not any(placed(history, cycle).replaces for cycle in range(2, 20))


@pytest.mark.parametrize("between", [21, 15])
def test_readings_that_are_not_in_a_row_begin_no_new_life(between: int) -> None:
    history = History(20, 2)
    for cycle in range(1, 21):
        placed(history, cycle)
    for cycle in [2, 3, 4, 5, 6, 7, 8]:
        placed(history, cycle, -cycle)
    placed(history, between)
    assert not placed(history, 9, -9).replaces


def test_a_sender_with_more_than_its_share_gives_up_its_own_engines() -> None:
    history = History(WINDOW, 2, engines=100)
    for number in range(90):
        placed(history, 1, engine=f"gateway-{number}", source="gateway")
    for number in range(400):
        placed(history, 1, engine=f"invented-{number}", source="hostile")
    assert sum(each.startswith("gateway-") for each in history) == 90
    assert sum(each.startswith("invented-") for each in history) == 10


def test_a_sender_without_its_share_gets_the_place_of_who_holds_most() -> None:
    history = History(WINDOW, 2, engines=100)
    for number in range(100):
        placed(history, 1, engine=f"gateway-{number}", source="gateway")
    for leaf in ("x", "y"):
        placed(history, 1, engine=leaf, source=leaf)
    assert len(history) == 100
    assert {"gateway-0", "gateway-1"}.isdisjoint(history)
    assert {"x", "y", "gateway-2"} <= set(history)


def test_errors_name_the_field_that_counts_cycles_in_this_model() -> None:
    history = History(WINDOW, 2, cycle="Hour")
    placed(history, 50)
    with pytest.raises(InvalidTelemetry, match=r"Hour 3 of Client_001") as stale:
        placed(history, 3)
    assert stale.value.field == "Hour"


def test_a_restored_history_goes_on_as_if_it_had_never_stopped(history: History) -> None:
    for cycle in (1, 2, 4):
        insert(history, cycle)
    again = History(WINDOW, 2, engines=3)
    rows = np.array([telemetry(cycle).values for cycle in (1, 2, 4)])
    again.restore(Known("Client_001", ""), np.array([1, 2, 4]), rows, np.empty((3, 0), dtype=np.float32))
    assert insert(again, 5) == insert(history, 5) == [1, 2, None, 4, 5]


def has_no_new_life(cycles: list[int]) -> bool:
    """Whether no eight readings in a row, each a cycle after the other, come from the past."""
    runs = zip(*(cycles[start:] for start in range(NEW_LIFE)), strict=False)
    return not any(all(b - a == 1 for a, b in itertools.pairwise(run)) for run in runs)


@given(st.lists(st.integers(min_value=2, max_value=25), min_size=1, max_size=40).filter(has_no_new_life))
def test_any_order_of_cycles_gives_the_windows_of_a_plain_dictionary(cycles: list[int]) -> None:
    history = History(WINDOW, 2)
    kept: dict[int, float] = {}
    for number, cycle in enumerate(cycles):
        newest = max(kept, default=cycle)
        if newest - cycle >= WINDOW:
            with pytest.raises(InvalidTelemetry):
                insert(history, cycle, number)
            continue
        kept[cycle] = number
        expected = [kept.get(each) for each in range(cycle - WINDOW + 1, cycle + 1)]
        assert insert(history, cycle, number) == expected
