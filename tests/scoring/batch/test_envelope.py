"""Files as Azure writes them, and as other programs spoil them: scored as the messages that were sent, or named."""

import base64
import io
import json
from pathlib import Path

import fastavro
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.batch.capture import read_capture
from scoring.batch.entry import BatchError
from scoring.batch.envelope import Envelope
from scoring.batch.parquet import read_parquet
from scoring.batch.text import read_cmapss, read_csv, read_ndjson
from scoring.errors import InvalidTelemetry, TableError
from scoring.wire.cmapss import read_trajectories
from scoring.wire.items import ItemParser
from tests.onnx_models import signature
from tests.scoring.batch import files
from tests.scoring.cli.test_batch import expected, lines, model_path, of, score, telemetry  # noqa: F401

MARK = b"\xef\xbb\xbf"
EVENT_HUBS = {
    **files.CAPTURE,
    "fields": [
        {"name": "SequenceNumber", "type": "long"},
        {"name": "Offset", "type": "string"},
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "SystemProperties", "type": {"type": "map", "values": ["long", "double", "string", "bytes"]}},
        {"name": "Properties", "type": {"type": "map", "values": ["long", "double", "string", "bytes", "null"]}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
}


def body(record: dict) -> bytes:
    return json.dumps(files.without_engine(record)).encode()


def routed(record: dict, as_stored) -> bytes:
    """A line of IoT Hub's routing to storage as JSON."""
    return json.dumps(
        {
            "EnqueuedTimeUtc": "2026-01-01T00:00:00.0000000Z",
            "Properties": {"creationTimeUtc": "x"},
            "SystemProperties": {"connectionDeviceId": record["ConnectionDeviceId"], "contentEncoding": "utf-8"},
            "Body": as_stored(record),
        }
    ).encode()


def avro(records: list[dict], as_stored, device: str, schema: dict = EVENT_HUBS) -> bytes:
    file = io.BytesIO()
    messages = [
        {
            "SequenceNumber": number,
            "Offset": "0",
            "EnqueuedTimeUtc": "1/1/2026 12:00:00 AM",
            "SystemProperties": {device: each["ConnectionDeviceId"], "iothub-enqueuedtime": "x"},
            "Properties": {},
            "Body": as_stored(each),
        }
        for number, each in enumerate(records)
    ]
    fastavro.writer(file, fastavro.parse_schema(schema), messages)
    return file.getvalue()


STORED = {
    "an object": files.without_engine,
    "text": lambda each: body(each).decode(),
    "base64": lambda each: base64.b64encode(body(each)).decode(),
    "base64 of a text with a byte order mark": lambda each: base64.b64encode(MARK + body(each)).decode(),
}


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("name", ["t.json", "t.ndjson", "t.jsonl"])
def test_what_iot_hub_routes_as_json_is_read(tmp_path, model_path, name, stored) -> None:  # noqa: F811
    records = telemetry()
    given = files.write_ndjson(tmp_path / name, [routed(each, STORED[stored]) for each in records])
    assert score(model_path, given, tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)


@pytest.mark.parametrize("device", ["connectionDeviceId", "iothub-connection-device-id"])
@pytest.mark.parametrize("stored", [body, lambda each: base64.b64encode(body(each)), lambda each: MARK + body(each)])
def test_what_is_captured_as_avro_is_read(tmp_path, model_path, device, stored) -> None:  # noqa: F811
    records = telemetry()
    (tmp_path / "t.avro").write_bytes(avro(records, stored, device))
    assert score(model_path, tmp_path / "t.avro", tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)


def test_a_message_without_a_sender_is_of_the_engine_that_is_given(tmp_path, model_path) -> None:  # noqa: F811
    (tmp_path / "t.avro").write_bytes(avro([of("x", 1)], body, "something-else"))
    assert score(model_path, tmp_path / "t.avro", tmp_path / "p.ndjson", "--engine", "Client_009") == 0
    assert lines(tmp_path / "p.ndjson")[0]["ConnectionDeviceId"] == "Client_009"


def test_a_device_speaks_for_itself_only_in_what_is_routed_too(tmp_path, model_path) -> None:  # noqa: F811
    other = routed(of("a", 1), lambda each: {**each, "ConnectionDeviceId": "b"})
    given = files.write_ndjson(tmp_path / "t.json", [other])
    assert score(model_path, given, tmp_path / "p.ndjson") == 3
    assert [each["Reason"] for each in lines(tmp_path / "p.ndjson.deadletter.ndjson")] == ["foreign_engine"]


def test_a_message_of_the_largest_size_fits_its_line_as_base64(tmp_path, model_path) -> None:  # noqa: F811
    padded = of("a", 1, note="x" * 250_000)
    given = files.write_ndjson(tmp_path / "t.json", [routed(padded, STORED["base64"]), b" " * 600_000 + b"1"])
    assert score(model_path, given, tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, [of("a", 1)])
    assert [each["Reason"] for each in lines(tmp_path / "p.ndjson.deadletter.ndjson")] == ["too_large"]


WRITERS = {
    "t.ndjson": (files.write_ndjson, b""),
    "t.csv": (files.write_csv, b""),
    "t.txt": (files.write_cmapss, b""),
    "t.parquet": (files.write_parquet, None),
    "t.avro": (files.write_capture, None),
}


@pytest.mark.parametrize("name", [name for name, (_, mark) in WRITERS.items() if mark is not None])
def test_a_byte_order_mark_costs_no_message_also_where_files_were_joined(tmp_path, model_path, name) -> None:  # noqa: F811
    records = telemetry()
    path = WRITERS[name][0](tmp_path / name, records)
    text = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(MARK + b"".join(text[:5]) + MARK + b"".join(text[5:]))
    assert score(model_path, path, tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)


@pytest.mark.parametrize("name", WRITERS)
def test_empty_files_among_good_ones_are_passed_over_with_a_note(tmp_path, model_path, capsys, name) -> None:  # noqa: F811
    records = telemetry()
    for folder, content in (("1", records[:9]), ("3", records[9:])):
        (tmp_path / "in" / folder).mkdir(parents=True)
        WRITERS[name][0](tmp_path / "in" / folder / name, content)
    (tmp_path / "in" / "2").mkdir()
    empty = tmp_path / "in" / "2" / name
    empty.touch()
    assert score(model_path, tmp_path / "in", tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)
    assert f"1 of 3 files hold no message, such as {empty}\n" in capsys.readouterr().err
    assert score(model_path, empty, tmp_path / "q.ndjson") == 0
    assert lines(tmp_path / "q.ndjson") == []


def test_a_capture_without_records_is_an_empty_file(tmp_path, model_path, capsys) -> None:  # noqa: F811
    (tmp_path / "t.avro").write_bytes(avro([], body, "x"))
    assert score(model_path, tmp_path / "t.avro", tmp_path / "p.ndjson") == 0
    assert "1 of 1 files hold no message" in capsys.readouterr().err


def numbered(path: Path, records: list[dict]) -> Path:
    """The records with the number of their engine in place of its name."""
    records = [{**each, "ConnectionDeviceId": int(each["ConnectionDeviceId"][-3:])} for each in records]
    return {".csv": files.write_csv, ".parquet": files.write_parquet}.get(path.suffix, files.write_ndjson)(
        path, records
    )


def test_an_engine_that_is_named_by_a_number_is_the_same_in_all_formats(tmp_path, model_path) -> None:  # noqa: F811
    records = telemetry()
    named = expected(
        model_path,
        [{**each, "ConnectionDeviceId": str(int(each["ConnectionDeviceId"][-3:]))} for each in records],
    )
    for name in ("t.csv", "t.ndjson", "t.parquet"):
        assert score(model_path, numbered(tmp_path / name, records), tmp_path / f"{name}.ndjson") == 0
        assert lines(tmp_path / f"{name}.ndjson") == named


def test_no_column_that_is_read_may_stand_in_a_table_twice(tmp_path, model_path, capsys) -> None:  # noqa: F811
    table = pq.read_table(files.write_parquet(tmp_path / "t.parquet", telemetry()))
    pq.write_table(table.append_column("Sensor20", table["Sensor1"]), tmp_path / "t.parquet")
    assert score(model_path, tmp_path / "t.parquet", tmp_path / "p.ndjson") == 2
    assert "the column Sensor20 stands there twice" in capsys.readouterr().err


def test_what_numpy_writes_is_of_the_engines_that_telemetrysource_replays(tmp_path, model_path) -> None:  # noqa: F811
    records = [each for n in (1, 2) for each in telemetry() if each["ConnectionDeviceId"] == f"Client_{n:03}"]
    table = [[int(each["ConnectionDeviceId"][-3:]), *(each[name] for name in files.NAMES)] for each in records]
    np.savetxt(tmp_path / "t.txt", table)
    assert score(model_path, tmp_path / "t.txt", tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)
    assert read_trajectories(tmp_path / "t.txt").units.tolist() == [row[0] for row in table]


@pytest.mark.parametrize("unit", ["0", "-1", "1.5", "x", "nan", "1e400", "1_0"])
def test_a_unit_that_is_no_number_from_1_names_no_engine(tmp_path, model_path, unit) -> None:  # noqa: F811
    path = files.write_cmapss(tmp_path / "t.txt", [of("Client_001", 1)])
    path.write_text(unit + path.read_text()[1:])
    assert score(model_path, path, tmp_path / "p.ndjson") == 3
    (dead,) = lines(tmp_path / "p.ndjson.deadletter.ndjson")
    assert (dead["Reason"], dead["Field"]) == ("engine_id", "ConnectionDeviceId")


PARSER = ItemParser(signature(), "a")
UNNAMED = ItemParser(signature())
GOOD = telemetry(2, 3)


def stored(tmp: Path) -> dict:
    """A good file for each reader."""
    return {
        read_csv: files.write_csv(tmp / "t.csv", GOOD).read_bytes(),
        read_ndjson: files.ndjson([routed(each, STORED["base64"]) for each in GOOD]),
        read_cmapss: files.write_cmapss(tmp / "t.txt", GOOD).read_bytes(),
        read_parquet: files.write_parquet(tmp / "t.parquet", GOOD).read_bytes(),
        read_capture: files.write_capture(tmp / "t.avro", GOOD).read_bytes(),
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> dict:
    return stored(tmp_path_factory.mktemp("good"))


damage = st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), max_size=6)


@given(st.data(), damage, st.integers(0, 100_000) | st.none(), st.binary(max_size=40))
def test_no_damage_raises_anything_but_its_reason_in_one_line(good, data, changes, cut, end) -> None:
    reader = data.draw(st.sampled_from(list(good)))
    content = bytearray(good[reader])
    for at, value in changes:
        content[at % len(content)] = value
    if cut is not None:
        del content[cut % len(content) :]
    told = ""
    try:
        for entry in reader(io.BytesIO(bytes(content) + end), UNNAMED):
            original = entry.original() if callable(entry.original) else entry.original
            json.dumps(original, default=str)
    except (BatchError, TableError) as error:
        told = str(error)
    assert "\n" not in told


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
envelopes = st.fixed_dictionaries(
    {"Body": anything},
    optional={
        "SystemProperties": anything
        | st.dictionaries(st.sampled_from(["connectionDeviceId", "iothub-connection-module-id"]), anything),
        "ConnectionDeviceId": anything,
    },
)


@given(st.lists(envelopes | anything, max_size=4))
def test_no_envelope_raises_anything(messages: list) -> None:
    entries = list(read_ndjson(io.BytesIO(files.ndjson(messages)), PARSER))
    assert len(entries) == len(messages)


def test_a_modules_message_names_its_engine_in_the_record_or_in_a_property_and_is_never_the_edge_devices() -> None:
    parser = ItemParser(signature(), "Client_001")
    telemetry = files.without_engine({**dict.fromkeys(parser.field_names, 1.0), "CycleTime": 7})

    def read(properties: dict, **named: str) -> object:
        system = {"connectionDeviceId": "edge-1", "connectionModuleId": "source"}
        stored = {"Properties": properties, "SystemProperties": system, "Body": {**telemetry, **named}}
        (item,) = Envelope.of(stored).items(parser)
        return item.reason if isinstance(item, InvalidTelemetry) else item.engine

    assert read({}, ConnectionDeviceId="Client_007") == "Client_007"
    assert read({"ConnectionDeviceId": "Client_008"}) == "Client_008"
    assert read({"ConnectionDeviceId": "Client_008"}, ConnectionDeviceId="Client_007") == "foreign_engine"
    assert read({}) == "missing_field"
