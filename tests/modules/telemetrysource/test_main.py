import asyncio
import gzip
import json

import numpy as np
import pytest

from modules.telemetrysource.pace import Pace
from modules.telemetrysource.position import EVERY, Position
from modules.telemetrysource.replay import Replay
from scoring.errors import InvalidTelemetry, TableError
from scoring.model.signature import Field, Signature
from scoring.telemetry.record import Sender, Telemetry
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.cmapss import Trajectories, write_trajectories
from scoring.wire.recording import Recording, read_cmapss, read_table
from scoring.wire.records import RecordParser

LENGTHS = (30, 50, 20)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    units = np.repeat(np.arange(1, 4), LENGTHS)
    cycles = np.concatenate([np.arange(1, length + 1) for length in LENGTHS])
    values = np.random.default_rng(1).normal(size=(len(units), 25)).round(4)
    values[:, 0] = cycles
    path = tmp_path_factory.mktemp("telemetry") / "test_FD003.txt"
    write_trajectories(path, Trajectories(units, cycles, values))
    return path


def readings(replay: Replay) -> list:
    return [reading for position in range(len(replay)) for reading in replay.at(position)]


CMAPSS_FIELDS = tuple(field.name for field in FIELDS)


def parse(body: bytes, fields=CMAPSS_FIELDS, cycle: str = "CycleTime") -> Telemetry | InvalidTelemetry:
    parser = RecordParser(fields, cycle)
    try:
        return parser.parse(body, Sender("edge-1", is_module=True))[0]
    except InvalidTelemetry as invalid:
        return invalid


def test_each_row_is_sent_once_and_each_engine_in_its_order(path) -> None:
    found = [parse(reading.body) for reading in readings(Replay(read_cmapss(path, "Client_")))]
    assert len(found) == sum(LENGTHS)
    for unit, length in enumerate(LENGTHS, 1):
        cycles = [each.cycle for each in found if each.engine == f"Client_{unit:03d}"]
        assert cycles == list(range(1, length + 1))


def test_engines_run_side_by_side(path) -> None:
    assert [reading.engine for reading in readings(Replay(read_cmapss(path, "Client_")))[:4]] == [
        "Client_001",
        "Client_002",
        "Client_003",
        "Client_001",
    ]


def test_a_message_tells_its_ids_and_when_it_was_made(path) -> None:
    message = readings(Replay(read_cmapss(path, "Client_")))[0].message()
    assert message.message_id == message.correlation_id
    assert message.properties["creationTimeUtc"].endswith("+00:00")


def test_message_ids_differ_within_a_replay_and_repeat_in_the_next(path) -> None:
    ids = [reading.message_id for reading in readings(Replay(read_cmapss(path, "Client_"), corrupt_share=0.5))]
    assert len(set(ids)) == len(ids)
    assert ids == [reading.message_id for reading in readings(Replay(read_cmapss(path, "Client_"), corrupt_share=0.5))]


def test_a_repeated_file_comes_from_other_engines(path) -> None:
    found = readings(Replay(read_cmapss(path, "Client_"), repeat=3))
    assert len({reading.message_id for reading in found}) == len(found) == 3 * sum(LENGTHS)
    again = found[sum(LENGTHS)]
    assert (again.engine, again.cycle, parse(again.body).engine) == ("Client_001.1", 1, "Client_001.1")


def test_spoilt_readings_come_on_top_and_none_of_them_can_be_scored(path) -> None:
    found = readings(Replay(read_cmapss(path, "Client_"), corrupt_share=0.9))
    spoilt = [reading for reading in found if reading.is_corrupt]
    assert len(spoilt) == Replay(read_cmapss(path, "Client_"), corrupt_share=0.9).corrupt
    assert 0.8 * sum(LENGTHS) < len(spoilt) < sum(LENGTHS)
    assert [reading for reading in found if not reading.is_corrupt] == readings(Replay(read_cmapss(path, "Client_")))
    reasons = {parse(reading.body).reason for reading in spoilt}
    assert len(reasons) >= 6


TABLE = "RUL,Hall,Hour,Pump,Speed\n\n9,,1,P-2,2\n9,,1,P-1,0.1\n8,x,2,P-1,\n8,x,2,P-2,0\n"


def pumps(tmp_path, text: str, **signature) -> Recording:
    path = tmp_path / "test_pumps.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    fields = (Field("Speed", "rpm"), Field("Hour", "h"))
    asked = {"window": 30, "cycle": "Hour", "machine": "Pump", "values": ("x",), **signature}
    return read_table(path, Signature("pumps", fields, **asked), "Client_001")


def test_a_table_is_replayed_under_its_own_names_without_what_the_model_does_not_know(tmp_path) -> None:
    found = readings(Replay(pumps(tmp_path, TABLE)))
    assert [json.loads(each.body) for each in found] == [
        {"ConnectionDeviceId": "P-2", "Speed": 2, "Hour": 1},
        {"ConnectionDeviceId": "P-1", "Speed": 0.1, "Hour": 1},
        {"ConnectionDeviceId": "P-2", "Speed": 0, "Hour": 2},
        {"ConnectionDeviceId": "P-1", "Speed": None, "Hour": 2},
    ]
    assert len({each.message_id for each in found}) == 4


def test_a_table_of_one_machine_need_not_name_it(tmp_path) -> None:
    found = readings(Replay(pumps(tmp_path, "Hour,Speed\n1,5\n2,6\n")))
    assert [(each.engine, each.cycle) for each in found] == [("Client_001", 1), ("Client_001", 2)]


def test_rows_that_nothing_counts_are_replayed_in_the_order_of_the_file(tmp_path) -> None:
    found = readings(Replay(pumps(tmp_path, "Hour,Speed,Pump\n7,5,b\n1,6,a\n", window=1, cycle="")))
    assert [each.engine for each in found] == ["b", "a"]


def test_spoilt_rows_of_a_table_cannot_be_scored(tmp_path) -> None:
    recording = pumps(tmp_path, TABLE)
    spoilt = [each for each in readings(Replay(recording, 1.0, repeat=50)) if each.is_corrupt]
    assert len(spoilt) == 200
    assert {type(parse(each.body, recording.fields, recording.cycle)) for each in spoilt} == {InvalidTelemetry}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected a header and rows of telemetry, found 0 lines"),
        ("Hour,Speed\n", "expected a header and rows of telemetry, found 1 lines"),
        ("Hour\n1\n", "there is no column Speed; the model needs Speed, Hour"),
        ("Hour,Speed,Speed\n1,2,3\n", "the column Speed stands there twice"),
        ("Hour,Speed\n\n1,2\n2,1_0\n", ", line 4: "),
        ("Hour,Speed\n1,2\n2,nan\n", ", line 3: "),
        ("Hour,Speed\n1,2\n2\n", ", line 3: the row has 1 cells, expected 2"),
        ("Hour,Speed\n-1,2\n", ", line 2: "),
        ("Hour,Speed,Pump\n1,2,no id!\n", ", line 2: "),
    ],
)
def test_a_table_that_cannot_be_scored_is_refused_with_its_line(tmp_path, text, told) -> None:
    with pytest.raises(TableError) as refusal:
        pumps(tmp_path, text)
    assert str(tmp_path / "test_pumps.csv.gz") in str(refusal.value)
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(TABLE.encode())[:-9], b""], ids=["no gzip", "cut off", "empty"]
)
def test_a_damaged_table_is_refused(tmp_path, content) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"t\.csv\.gz: "):
        read_table(path, Signature("pumps", (Field("Speed"),), 1, "", values=("x",)), "Client_001")


def test_a_position_goes_on_behind_what_was_acknowledged_without_a_gap(tmp_path) -> None:
    position = Position(tmp_path / "position.json", "a")
    for done in (0, 1, 3):
        position.acknowledge(done)
    position.write()
    assert Position(tmp_path / "position.json", "a").first == 2
    assert Position(tmp_path / "position.json", "another replay").first == 0


def test_a_position_is_written_without_being_asked(tmp_path) -> None:
    position = Position(tmp_path / "position.json", "a")
    for done in range(EVERY):
        position.acknowledge(done)
    assert Position(tmp_path / "position.json", "a").first == EVERY


def test_a_broken_position_begins_anew_and_says_so(tmp_path, caplog) -> None:
    (tmp_path / "position.json").write_text("{")
    assert Position(tmp_path / "position.json", "a").first == 0
    assert "begins anew" in caplog.text


class Clock:
    """Stands in for the loop's time: sleeping is what moves it."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def _times(clock: Clock, pace: Pace, cycles: list[int]) -> list[float]:
    times = []
    for cycle in cycles:
        await pace.wait(cycle)
        times.append(clock.now - 1000.0)
    return times


async def test_a_rate_spreads_messages_evenly(monkeypatch) -> None:
    with monkeypatch.context() as patched:
        times = await _times(Clock(patched), Pace(10.0), [1] * 5)
    assert np.diff(times) == pytest.approx([0.1] * 4)


async def test_without_a_rate_nothing_waits(monkeypatch) -> None:
    with monkeypatch.context() as patched:
        times = await _times(Clock(patched), Pace(0.0), [1] * 5)
    assert np.ptp(times) == 0


async def test_a_speed_up_keeps_the_time_between_cycles(monkeypatch) -> None:
    with monkeypatch.context() as patched:
        times = await _times(Clock(patched), Pace(0.0, speed_up=1800.0, cycle_seconds=3600.0), [1, 1, 2, 2, 5])
    assert np.array(times) - times[0] == pytest.approx([0, 0, 2, 2, 8])
