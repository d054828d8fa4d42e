import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry
from scoring.model.signature import Field
from scoring.telemetry.record import MAX_CYCLE, Sender, are_cycles, is_cycle
from scoring.telemetry.trajectory import Trajectory
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser
from scoring.wire.json_body import decode
from tests.onnx_models import signature

FIELDS = (Field("CycleTime"), Field("a"), Field("b"))
described = signature(fields=FIELDS)
careful = ItemParser(described, "x")
quick = FastParser(careful)
plain = ItemParser(signature(fields=FIELDS, cycle="", window=1), "x")


def comparable(item) -> tuple:
    if isinstance(item, InvalidTelemetry):
        return (item.reason, item.detail, item.field)
    if isinstance(item, Trajectory):
        return tuple(comparable(window) for window in item.windows)
    places = getattr(item, "places", np.zeros(0)).tolist()
    return (type(item).__name__, item.engine, item.cycle, item.values.dtype, item.values.tobytes(), places)


def told(parser, body: bytes) -> object:
    """All that a parser says of a body, comparable."""
    try:
        items, listed = parser.parse(body, 3)
    except InvalidTelemetry as invalid:
        return comparable(invalid)
    return [comparable(item) for item in items], listed


def told_of_line(line: bytes) -> tuple:
    try:
        return comparable(careful.parse_line(line))
    except InvalidTelemetry as invalid:
        return comparable(invalid)


values = st.sampled_from([1, 2.5, None, True, "1", 10**30, -(10**400), 1e39, [1.0], {"a": 1}]) | st.floats()
cycles = st.integers(1, 9) | values
engines = st.sampled_from(["a", "a:b", "no spaces", 7, None, ""])
rows = st.lists(st.tuples(cycles, values, values).map(list) | values, max_size=4)
windows = st.fixed_dictionaries(
    {"rows": rows | values},
    optional={"ConnectionDeviceId": engines, "each": st.booleans() | values, "more": values},
)
records = st.fixed_dictionaries(
    {}, optional={"CycleTime": cycles, "a": values, "b": values, "ConnectionDeviceId": engines, "more": values}
)
good_rows = st.lists(
    st.tuples(st.integers(1, 9), st.floats(-9, 9) | st.none(), st.integers(-9, 9)).map(list), min_size=1
)
good = st.fixed_dictionaries({"rows": good_rows}, optional={"each": st.booleans()}) | st.builds(
    lambda cycle, a: {"CycleTime": cycle, "a": a, "b": 1}, st.integers(1, 9), st.floats(-9, 9) | st.none()
)
items = good | windows | records | values
spaces = st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")])


@given(items | st.lists(items, max_size=4) | st.lists(good, max_size=3), spaces)
def test_the_quick_way_says_what_the_careful_one_says(payload: object, separators: tuple[str, str]) -> None:
    body = json.dumps(payload, separators=separators).encode()
    assert told(quick, body) == told(careful, body)


@given(st.binary(max_size=40), st.integers(0, 100), good)
def test_it_says_so_also_of_bodies_that_are_broken(junk: bytes, at: int, payload: object) -> None:
    body = json.dumps(payload).encode()
    body = body[: at % len(body)] + junk + body[at % len(body) :]
    assert told(quick, body) == told(careful, body)


@given(st.lists(items, max_size=5), spaces, st.lists(st.binary(max_size=9), max_size=2))
def test_lines_are_read_together_as_each_is_read_alone(
    payloads: list, separators: tuple[str, str], junk: list[bytes]
) -> None:
    lines = [*(json.dumps(payload, separators=separators).encode() for payload in payloads), *junk]
    found = [comparable(item) for item in quick.parse_lines(lines)]
    assert found == [told_of_line(line) for line in lines]


senders = st.builds(Sender, st.sampled_from(["", "a", "b", "no spaces"]), st.booleans())
sent = st.tuples(good | records, senders)


@given(st.lists(sent, min_size=1, max_size=5), st.booleans())
def test_a_sender_speaks_for_the_same_engines_whichever_way_its_record_is_read(messages: list, counts: bool) -> None:
    parser = careful if counts else plain
    lines = [json.dumps(payload).encode() for payload, _ in messages]
    for line, (_, sender), found in zip(
        lines, messages, FastParser(parser).known(lines, [each for _, each in messages]), strict=True
    ):
        if found is not None:
            (expected,) = parser.check_each([decode(line)], sender)
            assert comparable(found) == comparable(expected)


@pytest.mark.parametrize(
    "body",
    [
        b'{"CycleTime":1,"a":1,"b":2,"a":3}',
        b'{"CycleTime":1,"a":1,"b":2,"a" :3}',
        b'{"rows":[[1,2,3]],"rows" :[[1,2,3]]}',
        b'{"rows":[[1,2,3]],"\\u0072ows":[[1,2,3]]}',
        b'{"rows":[[1,2,3]],"each":true,"each":false}',
        b'[{"rows":[[1,2,3]],"ConnectionDeviceId":"a","ConnectionDeviceId":"b"}]',
        b'[{"CycleTime":1,"a":1,"b":2,"more":{"c":1,"c":2}}]',
    ],
)
def test_a_key_that_stands_twice_is_found_wherever_it_stands(body: bytes) -> None:
    assert told(quick, body)[0] == "duplicate_field"


def test_what_is_as_it_should_be_is_not_read_twice(monkeypatch) -> None:
    monkeypatch.setattr(ItemParser, "parse", None)
    monkeypatch.setattr(ItemParser, "check", None)
    several = {"rows": [[1, None, 2.5]]}
    for payload in (
        several,
        {**several, "each": True},
        [{"CycleTime": 1, "a": 2, "b": None, "ConnectionDeviceId": "e"}],
    ):
        quick.parse(json.dumps(payload).encode(), 3)
    lines = [json.dumps({"CycleTime": cycle, "a": 2, "b": None}).encode() for cycle in (1, 2)]
    assert [item.cycle for item in quick.parse_lines(lines)] == [1, 2]


def test_one_line_that_is_wrong_does_not_slow_the_others_down(monkeypatch) -> None:
    read = []
    monkeypatch.setattr(ItemParser, "parse_line", lambda _, line: read.append(line))
    lines = [json.dumps({"CycleTime": cycle, "a": 2, "b": None}).encode() for cycle in (1, 1.5, 2)]
    quick.parse_lines(lines)
    assert read == lines[1:2]


@given(st.lists(st.floats() | st.integers(-5, MAX_CYCLE + 5).map(float), min_size=1, max_size=20))
def test_what_is_a_cycle_is_the_same_for_one_value_and_for_many(values: list[float]) -> None:
    assert are_cycles(np.array(values)).tolist() == [is_cycle(value) for value in values]
