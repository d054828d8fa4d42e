"""Readings as devices sent them: training learns from what a device knows, whatever the file, the order, the gaps."""

import base64
import csv
import io
import json
from datetime import UTC, datetime, timedelta

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.model.derived import Category, Period
from scoring.model.signature import Field
from training.data.endings import Ending
from training.data.labels import Classes
from training.data.readings import load_readings, split
from training.data.task import Task
from training.errors import DataError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(
    name="compressor",
    fields=(Field("Period", "h"), Field("Mode"), Field("Flow")),
    cycle="Period",
    settings=("Mode",),
    window=4,
    classes=Classes(("a", "b"), (5.0,)),
    cap=10,
    machine="Compressor",
    derived={"Period": Period("Time", 3600.0, BEGIN.timestamp()), "Mode": Category("Mode", ("idle", "loaded"))},
)


def reading(machine: str, hour: float, flow: float, ended: str = "", mode: str = "idle") -> dict:
    when = (BEGIN + timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"Compressor": machine, "Time": when, "Mode": mode, "Flow": flow, "Ended": ended, "FailureMode": ""}


# Mixed, late, twice in an hour, and with a gap.
READINGS = [
    reading("A", 3, 1.0),
    reading("B", 0, 10.0),
    reading("A", 5, 3.0, mode="loaded"),
    reading("A", 4, 2.0),
    reading("B", 1, 10.5),
    reading("B", 1.5, 11.0),
    {**reading("A", 9, 4.0, "failed"), "FailureMode": "seal"},
    reading("B", 2, 12.0, " Removed"),
]


def table(path, readings, separator: str = ",") -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, readings[0], delimiter=separator)
        writer.writeheader()
        writer.writerows(readings)
    return str(path)


def body(each: dict) -> bytes:
    told = {name: value for name, value in each.items() if name != "Compressor"}
    return json.dumps({**told, "ConnectionDeviceId": each["Compressor"]}).encode()


def capture(path, *, is_base64: bool) -> str:
    """As IoT Hub stores messages."""
    schema = {
        "type": "record",
        "name": "Message",
        "fields": [
            {"name": "EnqueuedTimeUtc", "type": "string"},
            {"name": "Properties", "type": {"type": "map", "values": "string"}},
            {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
            {"name": "Body", "type": ["null", "bytes"]},
        ],
    }
    records = [
        {
            "EnqueuedTimeUtc": each["Time"],
            "Properties": {},
            "SystemProperties": {"connectionDeviceId": each["Compressor"]},
            "Body": base64.b64encode(body(each)) if is_base64 else body(each),
        }
        for each in READINGS
    ]
    content = io.BytesIO()
    fastavro.writer(content, schema, records)
    path.write_bytes(content.getvalue())
    return str(path)


def files(folder) -> dict[str, list[str]]:
    """The same readings in each form that there is."""
    lines = folder / "lines.ndjson"
    lines.write_bytes(b"\n".join(map(body, READINGS)))
    own = folder / "own.ndjson"
    own.write_text("\n".join(map(json.dumps, READINGS)))
    times = [{**each, "Time": datetime.fromisoformat(each["Time"])} for each in READINGS]
    pq.write_table(pa.Table.from_pylist(times), folder / "table.parquet")
    parts = folder / "parts"
    parts.mkdir()
    return {
        "comma": [table(folder / "comma.csv", READINGS)],
        "semicolon": [table(folder / "semicolon.csv", READINGS, ";")],
        "tab": [table(folder / "tab.csv", READINGS, "\t")],
        "lines": [str(lines)],
        "lines that name machines as tables do": [str(own)],
        "parquet": [str(folder / "table.parquet")],
        "capture": [capture(folder / "capture.avro", is_base64=False)],
        "base64": [capture(folder / "base64.avro", is_base64=True)],
        "two files": [table(folder / "1.csv", READINGS[:3]), table(folder / "2.csv", READINGS[3:])],
        "folder": [str(parts), table(parts / "1.csv", READINGS[:3]) and table(parts / "2.csv", READINGS[3:])][:1],
    }


def test_the_same_readings_are_the_same_data_in_each_form(tmp_path) -> None:
    found = {name: load_readings(urls, TASK) for name, urls in files(tmp_path).items()}
    data, passed = found["comma"]
    assert data.names == ("A", "B")
    assert data.endings == (Ending.FAILED, Ending.REMOVED)
    assert (data.modes, data.mode_names) == (("seal", ""), ("seal",))
    assert data.trajectories.cycles.tolist() == [1, 2, 3, 7, 1, 2, 3]
    assert data.trajectories.values.tolist() == [
        [4, 0, 1],
        [5, 0, 2],
        [6, 1, 3],
        [10, 0, 4],
        [1, 0, 10],
        [2, 0, 11],
        [3, 0, 12],
    ]
    assert data.rul.tolist() == [6, 5, 4, 0, 2, 1, 0]
    assert (passed.readings, passed.replaced, passed.gaps, passed.refused) == (8, 1, 3, {})
    for name, (other, _) in found.items():
        assert (name, other.sha256, other.endings, other.modes) == (name, data.sha256, data.endings, data.modes)


def test_files_need_not_say_how_machines_ended(tmp_path) -> None:
    given = [{name: value for name, value in each.items() if name not in {"Ended", "FailureMode"}} for each in READINGS]
    pq.write_table(pa.Table.from_pylist(given), tmp_path / "x.parquet")
    for url in (table(tmp_path / "x.csv", given), str(tmp_path / "x.parquet")):
        data, passed = load_readings([url], TASK)
        assert (data.endings, data.modes, passed.readings) == ((), (), 8)


def test_windows_have_gaps_where_a_device_has_none_of_the_messages(tmp_path) -> None:
    data, _ = load_readings([table(tmp_path / "x.csv", READINGS)], TASK)
    flows = data.windows()[:4, :, 2]
    nan = np.nan
    np.testing.assert_equal(flows, np.array([[nan, nan, nan, 1], [nan, nan, 1, 2], [nan, 1, 2, 3], [nan, nan, nan, 4]]))


def test_after_a_failure_another_life_begins(tmp_path) -> None:
    rows = [reading("A", 0, 1, "failed"), reading("A", 7, 2), reading("A", 8, 3, "failed"), reading("A", 20, 4)]
    data, _ = load_readings([table(tmp_path / "x.csv", rows)], TASK)
    assert data.names == ("A", "A#2", "A#3")
    assert data.endings == (Ending.FAILED, Ending.FAILED, Ending.RUNNING)
    assert data.trajectories.cycles.tolist() == [1, 1, 2, 1]


def test_what_cannot_be_used_is_counted_and_told_with_its_place(tmp_path) -> None:
    rows = [*READINGS, reading("A", 6, 1, mode="off"), {**reading("A", 7, 1), "Time": "noon"}, reading("A", 8, 1, "??")]
    path = table(tmp_path / "x.csv", rows)
    (tmp_path / "y.csv").write_text("")
    _, passed = load_readings([str(tmp_path)], TASK)
    empty, refused, again, gaps = passed.told()
    assert "y.csv holds no reading" in empty
    assert refused.startswith("3 of 11 readings cannot be used (unknown_category 2, not_a_time 1); the first:")
    assert f"{path}, 10: the field Mode is 'off'; expected one of idle, loaded" in refused
    assert again.startswith("1 readings came again")
    assert gaps.startswith("3 cycles have no reading")


@pytest.mark.parametrize(
    "content", ["", "Compressor,Time,Mode,Flow\n", "Compressor,Time,Mode,Flow\nA,x,idle,1\n", "a,b\n1,2"]
)
def test_files_with_nothing_to_learn_from_are_refused(tmp_path, content) -> None:
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=r"x\.csv"):
        load_readings([str(path)], TASK)
    with pytest.raises(DataError, match="names no file"):
        load_readings([str(tmp_path / "gone" / "*.csv")], TASK)


def fleet(tmp_path, machines: int):
    rows = [
        reading(f"M{number}", 10 * number + hour, hour, "failed" if hour == 8 else "")
        for number in range(machines)
        for hour in range(9)
    ]
    return load_readings([table(tmp_path / f"{machines}.csv", rows)], TASK)[0]


def test_machines_that_are_held_out_stay_so_whatever_others_come(tmp_path) -> None:
    few, many = (split(fleet(tmp_path, machines), 0.3) for machines in (30, 60))
    for trained, tested in (few, many):
        assert not set(trained.names) & set(tested.names)
    assert 3 <= len(few[1].names) <= 15
    assert set(few[1].names) <= set(many[1].names)
    assert set(few[0].names) <= set(many[0].names)


def test_what_is_trained_on_until_a_day_knows_nothing_of_what_came_later(tmp_path) -> None:
    data = fleet(tmp_path, 30)
    day = 104.0
    trained, tested = split(data, 0.0, (BEGIN + timedelta(hours=day)).timestamp())
    assert trained.names == tuple(sorted(f"M{number}" for number in range(11)))
    assert trained.trajectories.values[:, 0].max() == day
    assert dict(zip(trained.names, trained.endings, strict=True))["M10"] is Ending.RUNNING
    assert dict(zip(trained.names, trained.endings, strict=True))["M9"] is Ending.FAILED
    assert set(tested.names) == {f"M{number}" for number in range(11, 30)}
