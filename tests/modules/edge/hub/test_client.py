from types import SimpleNamespace

from modules.edge.hub.client import Pauses

CARRIED = SimpleNamespace(carried=1, was_answer=False)
ANSWER = SimpleNamespace(carried=5, was_answer=True)
EMPTY = SimpleNamespace(carried=0, was_answer=False)


def pauses(*connections) -> list[float]:
    between = Pauses()
    return [between.after(each) for each in connections]


def test_a_hub_that_is_away_is_asked_ever_less_often_up_to_a_minute() -> None:
    assert pauses(*[None] * 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_connection_that_has_carried_a_message_is_followed_by_the_next_at_once() -> None:
    assert pauses(None, None, None, CARRIED, CARRIED, None, CARRIED) == [1, 2, 4, 1, 1, 2, 1]


def test_a_hub_that_answers_our_sends_by_ending_connections_is_given_up_to_ten_seconds() -> None:
    assert pauses(CARRIED, *[ANSWER] * 6, CARRIED) == [1, 2, 4, 8, 10, 10, 10, 1]


def test_a_hub_that_takes_connections_and_no_messages_is_given_up_to_ten_seconds() -> None:
    assert pauses(*[EMPTY] * 6) == [1, 2, 4, 8, 10, 10]
    assert pauses(*[None] * 8, EMPTY, None) == [1, 2, 4, 8, 16, 32, 60, 60, 10, 20]
