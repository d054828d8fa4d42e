"""Files are read quickly where nothing is wrong, and say of each message what the careful reading says."""

import base64
import io
import json

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.batch import parquet
from scoring.batch.capture import read_capture
from scoring.batch.entry import BatchError
from scoring.batch.parquet import read_parquet
from scoring.batch.text import read_cmapss, read_csv, read_ndjson
from scoring.errors import InvalidTelemetry, TableError
from scoring.model.signature import Field
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.cells import Cells
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser
from tests.onnx_models import signature
from tests.scoring.batch import files

FEW = (Field("CycleTime"), Field("a"), Field("b"))
PARSERS = [
    ItemParser(signature(fields=FEW), "x"),
    ItemParser(signature(fields=FEW)),
    ItemParser(signature(fields=FEW, machine="data_set")),
    ItemParser(signature(fields=FEW, cycle="", window=1)),
    ItemParser(signature(fields=FEW[:1])),
]
parsers = st.sampled_from(PARSERS)


def told(reader, content: bytes, parser: ItemParser) -> list[tuple] | str:
    """What a file says, entry by entry, or why it says nothing."""
    try:
        return read(reader, content, parser)
    except (BatchError, TableError) as error:
        return str(error)


def read(reader, content: bytes, parser: ItemParser) -> list[tuple]:
    found = []
    for entry in reader(io.BytesIO(content), parser):
        original = entry.original() if callable(entry.original) else entry.original
        for item in entry.items:
            if isinstance(item, InvalidTelemetry):
                found.append((entry.number, str(original), item.reason, item.detail, item.field))
            else:
                said = (type(item).__name__, item.engine, item.cycle, item.values.dtype, item.values.tobytes())
                found.append((entry.number, str(original), *said))
    return found


def assert_read_alike(reader, content: bytes, parser: ItemParser) -> None:
    quickly = told(reader, content, parser)
    with pytest.MonkeyPatch.context() as patch:
        for quick in (Cells, FastParser):
            patch.setattr(quick, "known", lambda _, lines, *__: [None] * len(lines))
        patch.setattr(parquet, "_known", lambda batch, _: [None] * len(batch))
        assert told(reader, content, parser) == quickly


numbers = st.floats(width=32) | st.integers(-9, 9)
cells = st.one_of(
    st.integers(1, 9).map(str),
    numbers.map(str),
    st.sampled_from(["", "1_0", " 1 ", "nan", "inf", "1e39", "٣", "x", '"1"', '"1', "0x1"]),
)
engines = st.sampled_from(["Client_001", "a", "", "no spaces", '"a"', "ü"])
rows = st.lists(st.tuples(engines, st.integers(1, 9).map(str) | cells, cells, cells).map(list), max_size=5)
headers = st.sampled_from(
    [
        ["ConnectionDeviceId", "CycleTime", "a", "b"],
        ["b", "CycleTime", "ConnectionDeviceId", "a"],
        ["data_set", "CycleTime", "a", "b"],
        ["rows", "CycleTime", "a", "b"],
        ["CycleTime", "a", "b", "c"],
    ]
)


@given(headers, rows, parsers, st.sampled_from(["\n", "\r\n", "\n\n", ",\n"]))
def test_csv(header: list[str], rows: list[list[str]], parser: ItemParser, end: str) -> None:
    text = "\n".join([",".join(header), *(f"{','.join(row)}{end}" for row in rows)])
    assert_read_alike(read_csv, text.encode(), parser)


@pytest.mark.whole
@given(st.lists(st.lists(cells, min_size=24, max_size=27), max_size=4), st.integers(0, 2000))
def test_cmapss(rows: list[list[str]], unit: int) -> None:
    text = "\n".join(f"{unit} {' '.join(row)}" for row in [*rows, ["1"] * len(FIELDS)])
    assert_read_alike(read_cmapss, text.encode(), ItemParser(signature()))
    assert_read_alike(read_cmapss, text.encode(), PARSERS[0])


values = st.one_of(numbers, st.none(), st.sampled_from([True, "1", 10**30, [1.0]]))
records = st.fixed_dictionaries(
    {"CycleTime": st.integers(1, 9) | values, "a": values, "b": values},
    optional={"ConnectionDeviceId": st.sampled_from(["Client_001", "b", "no spaces", 7, 7.5, None]), "rows": values},
)


@given(st.lists(records | st.lists(records, max_size=2) | values, max_size=5), parsers)
def test_ndjson(messages: list, parser: ItemParser) -> None:
    assert_read_alike(read_ndjson, files.ndjson(messages), parser)


telemetry = records.map(lambda each: json.dumps(each).encode())
bodies = st.one_of(telemetry, telemetry.map(base64.b64encode), st.binary(max_size=5), st.none())
systems = st.fixed_dictionaries(
    {},
    optional={
        "connectionDeviceId": st.sampled_from(["Client_001", "c d"]),
        "connectionModuleId": st.just("m"),
        "iothub-connection-device-id": st.just("Client_002"),
    },
)


@given(st.lists(st.tuples(bodies, systems), max_size=5), parsers)
def test_capture(messages: list, parser: ItemParser) -> None:
    file = io.BytesIO()
    told_of = [
        {"EnqueuedTimeUtc": "", "Properties": {}, "SystemProperties": system, "Body": body} for body, system in messages
    ]
    fastavro.writer(file, fastavro.parse_schema(files.CAPTURE), told_of)
    assert_read_alike(read_capture, file.getvalue(), parser)


columns = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_, str])


@pytest.mark.whole
@given(st.data(), parsers)
def test_parquet(data, parser: ItemParser) -> None:
    table = {}
    for name in ("CycleTime", "a", "b"):
        kind = data.draw(columns)
        drawn = data.draw(st.lists(st.none() | st.integers(1, 9) | numbers, min_size=4, max_size=4))
        with np.errstate(all="ignore"):
            table[name] = pa.array([_as(kind, each) for each in drawn], pa.from_numpy_dtype(np.dtype(kind)))
    if data.draw(st.booleans()):
        names = st.sampled_from(["a", "b c", ""]), pa.string()
        kinds = [names, (st.integers(-9, 9), pa.int64()), (st.sampled_from([1.0, 1.5, float("nan")]), pa.float64())]
        each, kind = data.draw(st.sampled_from(kinds))
        table["ConnectionDeviceId"] = pa.array(data.draw(st.lists(st.none() | each, min_size=4, max_size=4)), kind)
    file = io.BytesIO()
    pq.write_table(pa.table(table), file)
    assert_read_alike(read_parquet, file.getvalue(), parser)


def _as(kind, value) -> object:
    if value is None or kind is str:
        return None if value is None else str(value)
    if np.issubdtype(kind, np.integer):
        return kind(abs(value) % 100) if np.isfinite(value) else None
    return kind(value)


def test_what_is_as_it_should_be_is_not_read_twice(monkeypatch) -> None:
    monkeypatch.setattr(ItemParser, "check", None)
    text = b"CycleTime,a,b,ConnectionDeviceId\n1,2,3,e\n2,,3,e\n"
    assert [item[3:5] for item in read(read_csv, text, PARSERS[1])] == [("e", 1), ("e", 2)]
