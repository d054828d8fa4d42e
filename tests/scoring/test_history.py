import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry
from scoring.history import History
from scoring.telemetry import Reason, Telemetry

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
    insert(history, 1, engine="d")
    assert history.evicted == ["c"]
    assert list(history) == ["a", "b", "d"]


def test_a_restored_history_goes_on_as_if_it_had_never_stopped(history: History) -> None:
    for cycle in (1, 2, 4):
        insert(history, cycle)
    again = History(WINDOW, 2, engines=3)
    again.restore([("Client_001", cycle, telemetry(cycle).values.tobytes()) for cycle in (1, 2, 4)])
    assert insert(again, 5) == insert(history, 5) == [1, 2, None, 4, 5]


@given(st.lists(st.integers(min_value=2, max_value=25), min_size=1, max_size=40))
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
        kept = {each: value for each, value in kept.items() if each > max(kept) - WINDOW}
        expected = [kept.get(each) for each in range(cycle - WINDOW + 1, cycle + 1)]
        assert insert(history, cycle, number) == expected
