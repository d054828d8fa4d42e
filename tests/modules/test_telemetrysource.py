import asyncio

import numpy as np
import pytest

from modules.telemetrysource.pace import Pace
from modules.telemetrysource.position import EVERY, Position
from modules.telemetrysource.replay import Replay
from scoring.cmapss import Trajectories, write_trajectories
from scoring.errors import InvalidTelemetry
from scoring.telemetry import FIELDS, Sender, Telemetry, TelemetryParser

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


def parse(body: bytes) -> Telemetry | InvalidTelemetry:
    parser = TelemetryParser([field.name for field in FIELDS])
    try:
        return parser.parse(body, Sender("edge-1", is_module=True))[0]
    except InvalidTelemetry as invalid:
        return invalid


def test_each_row_is_sent_once_and_each_engine_in_its_order(path) -> None:
    found = [parse(reading.body) for reading in readings(Replay(path))]
    assert len(found) == sum(LENGTHS)
    for unit, length in enumerate(LENGTHS, 1):
        cycles = [each.cycle for each in found if each.engine == f"Client_{unit:03d}"]
        assert cycles == list(range(1, length + 1))


def test_engines_run_side_by_side(path) -> None:
    assert [reading.engine for reading in readings(Replay(path))[:4]] == [
        "Client_001",
        "Client_002",
        "Client_003",
        "Client_001",
    ]


def test_a_message_tells_its_ids_and_when_it_was_made(path) -> None:
    message = readings(Replay(path))[0].message()
    assert message.message_id == message.correlation_id
    assert message.properties["creationTimeUtc"].endswith("+00:00")


def test_message_ids_differ_within_a_replay_and_repeat_in_the_next(path) -> None:
    ids = [reading.message_id for reading in readings(Replay(path, corrupt_share=0.5))]
    assert len(set(ids)) == len(ids)
    assert ids == [reading.message_id for reading in readings(Replay(path, corrupt_share=0.5))]


def test_a_repeated_file_comes_from_other_engines(path) -> None:
    found = readings(Replay(path, repeat=3))
    assert len({reading.message_id for reading in found}) == len(found) == 3 * sum(LENGTHS)
    again = found[sum(LENGTHS)]
    assert (again.engine, again.cycle, parse(again.body).engine) == ("Client_001.1", 1, "Client_001.1")


def test_spoilt_readings_come_on_top_and_none_of_them_can_be_scored(path) -> None:
    found = readings(Replay(path, corrupt_share=0.9))
    spoilt = [reading for reading in found if reading.is_corrupt]
    assert len(spoilt) == Replay(path, corrupt_share=0.9).corrupt
    assert 0.8 * sum(LENGTHS) < len(spoilt) < sum(LENGTHS)
    assert [reading for reading in found if not reading.is_corrupt] == readings(Replay(path))
    reasons = {parse(reading.body).reason for reading in spoilt}
    assert len(reasons) >= 6


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
