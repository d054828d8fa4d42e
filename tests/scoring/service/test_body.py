import asyncio
import gzip
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry, Reason
from scoring.service.body import inflated, lines
from scoring.service.refusal import Refusal
from scoring.telemetry.record import MAX_CYCLE, Telemetry
from scoring.telemetry.turbofan import FIELDS
from scoring.telemetry.window import Window
from scoring.wire.items import ItemParser
from scoring.wire.windows import MAX_ROWS
from tests.onnx_models import WINDOW, record, signature

parser = ItemParser(signature())
NAMES = [field.name for field in FIELDS]


async def pieces_of(body: bytes, cuts: list[int]):
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


cuts = st.lists(st.integers(0, 10_000), max_size=8)


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line), max_size=8), st.booleans(), cuts)
def test_lines_are_the_same_however_the_body_is_cut(expected: list[bytes], ends: bool, where: list[int]) -> None:
    async def collect() -> list[tuple[int, bytes | None]]:
        return [each async for several in lines(pieces_of(body, where), 8, 10_000) for each in several]

    body = b"\n".join(expected) + (b"\n" if ends else b"")
    found = asyncio.run(collect())
    bounded = [line if len(line) <= 8 else None for line in body.split(b"\n")]
    assert found == [(at, line) for at, line in enumerate(bounded, start=1) if line is None or line.strip()]


@given(st.lists(st.binary(max_size=300_000), min_size=1, max_size=3), cuts)
def test_gzip_is_inflated_however_it_is_cut_and_in_small_pieces(members: list[bytes], where: list[int]) -> None:
    async def collect() -> list[bytes]:
        return [piece async for piece in inflated(pieces_of(b"".join(map(gzip.compress, members)), where))]

    found = asyncio.run(collect())
    assert b"".join(found) == b"".join(members)
    assert max(map(len, found)) <= 64 * 1024


@given(st.binary(max_size=100), cuts)
def test_no_bytes_that_say_to_be_gzip_do_anything_but_inflate_or_be_refused(body: bytes, where: list[int]) -> None:
    async def collect() -> str:
        try:
            return "inflated" if [piece async for piece in inflated(pieces_of(body, where))] else "empty"
        except Refusal as refusal:
            return refusal.faults[0].reason

    assert asyncio.run(collect()) in ("inflated", "empty", "not_gzip")


values = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
cycles = st.integers(-1, 60) | st.sampled_from([MAX_CYCLE, MAX_CYCLE + 1, 1.5]) | values
anything = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))
list_rows = st.builds(
    lambda cycle, rest: [cycle, *rest], cycles, st.lists(st.floats(-9, 9) | st.none(), min_size=24, max_size=24)
)
object_rows = st.builds(record, cycles)
spoilt_rows = st.builds(
    lambda row, at, value: [*row[:at], value, *row[at + 1 :]], list_rows, st.integers(0, 25), anything
)
windows = st.builds(
    lambda rows: {"rows": rows}, st.lists(list_rows | object_rows | spoilt_rows | anything, max_size=6) | anything
)


@pytest.mark.whole
@given(windows | anything)
def test_any_json_is_an_item_that_can_be_scored_or_has_its_reason(payload: object) -> None:
    try:
        (item,) = parser.parse(json.dumps([payload]).encode(), 10)[0]
    except InvalidTelemetry as invalid:
        item = invalid
    if isinstance(item, Window):
        assert 1 <= len(item.places) == len(item.values) <= WINDOW
        assert sorted(set(item.places.tolist())) == item.places.tolist()
        assert 1 <= item.cycle <= MAX_CYCLE
        assert item.values[-1][0] == item.cycle
    elif not isinstance(item, Telemetry):
        assert item.reason in set(Reason)


readings = st.lists(st.floats(-9, 9) | st.none(), min_size=24, max_size=24)
good_rows = st.builds(lambda cycle, rest: [cycle, *rest], st.integers(1, 60), readings)


@pytest.mark.whole
@given(st.lists(good_rows, min_size=1, max_size=8))
def test_rows_as_lists_and_as_objects_are_the_same_window(rows: list[list]) -> None:
    listed = parser.check({"rows": [[None if each is None else float(each) for each in row] for row in rows]})
    named = parser.check(
        {"rows": [{n: None if v is None else float(v) for n, v in zip(NAMES, r, strict=True)} for r in rows]}
    )
    assert (listed.cycle, listed.places.tolist()) == (named.cycle, named.places.tolist())
    assert listed.values.tobytes() == named.values.tobytes()


def test_a_window_takes_memory_for_the_rows_that_it_has_only() -> None:
    window = parser.check({"rows": [[float(cycle)] + [0.0] * 24 for cycle in range(1, MAX_ROWS + 1)]})
    assert window.values.shape == (WINDOW, 25)
