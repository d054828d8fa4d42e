import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry
from scoring.items import ItemParser
from scoring.service import fast
from scoring.service.fast import FastParser
from scoring.signature import Field
from tests.onnx_models import signature

FIELDS = (Field("CycleTime"), Field("a"), Field("b"))
described = signature(fields=FIELDS)
careful, quick = ItemParser(described, "x"), FastParser(described, "x")


def told(parser, body: bytes) -> object:
    """All that a parser says of a body, comparable."""

    def comparable(item) -> tuple:
        if isinstance(item, InvalidTelemetry):
            return (item.reason, item.detail, item.field)
        places = getattr(item, "places", np.zeros(0)).tolist()
        return (type(item).__name__, item.engine, item.cycle, item.values.dtype, item.values.tobytes(), places)

    try:
        items, listed = parser.parse(body, 3)
    except InvalidTelemetry as invalid:
        return comparable(invalid)
    return [comparable(item) for item in items], listed


values = st.sampled_from([1, 2.5, None, True, "1", 10**30, -(10**400), 1e39, [1.0], {"a": 1}]) | st.floats()
cycles = st.integers(1, 9) | values
engines = st.sampled_from(["a", "a:b", "no spaces", 7, None, ""])
rows = st.lists(st.tuples(cycles, values, values).map(list) | values, max_size=4)
windows = st.fixed_dictionaries({"rows": rows | values}, optional={"ConnectionDeviceId": engines, "more": values})
records = st.fixed_dictionaries(
    {}, optional={"CycleTime": cycles, "a": values, "b": values, "ConnectionDeviceId": engines, "more": values}
)
good_rows = st.lists(
    st.tuples(st.integers(1, 9), st.floats(-9, 9) | st.none(), st.integers(-9, 9)).map(list), min_size=1
)
good = st.builds(lambda found: {"rows": found}, good_rows) | st.builds(
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


@pytest.mark.parametrize(
    "body",
    [
        b'{"CycleTime":1,"a":1,"b":2,"a":3}',
        b'{"CycleTime":1,"a":1,"b":2,"a" :3}',
        b'{"rows":[[1,2,3]],"rows" :[[1,2,3]]}',
        b'{"rows":[[1,2,3]],"\\u0072ows":[[1,2,3]]}',
        b'[{"rows":[[1,2,3]],"ConnectionDeviceId":"a","ConnectionDeviceId":"b"}]',
        b'[{"CycleTime":1,"a":1,"b":2,"more":{"c":1,"c":2}}]',
    ],
)
def test_a_key_that_stands_twice_is_found_wherever_it_stands(body: bytes) -> None:
    assert told(quick, body)[0] == "duplicate_field"


def test_what_is_as_it_should_be_is_not_read_twice(monkeypatch) -> None:
    monkeypatch.setattr(fast.ItemParser, "parse", None)
    for payload in ({"rows": [[1, None, 2.5]]}, [{"CycleTime": 1, "a": 2, "b": None, "ConnectionDeviceId": "e"}]):
        quick.parse(json.dumps(payload).encode(), 3)
