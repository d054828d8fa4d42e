"""On the simulated device: what a route brings in is in the files, once, whatever ends the process."""

import json
import os
import random
import signal
from collections import Counter

from simulator import shipped
from simulator.runtime import Runtime
from tests.archives import archived
from tests.deployment import Deployment, answered

WRITER = "avrowriter"
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))


def ids(records: list[dict]) -> Counter:
    return Counter(each["SystemProperties"]["messageId"] for each in records)


async def whole(deployment: Deployment) -> list[dict]:
    """What is archived once each reading has come, which may be later than so many records have."""
    folder = deployment.folder / "state" / WRITER / "archive"
    records = await archived(folder, len(deployment))
    while len(ids(records)) < len(deployment):
        records = await archived(folder, len(records) + 1)
    return records


async def test_each_reading_is_archived_with_its_prediction_and_can_be_read_again(tmp_path) -> None:
    deployment = Deployment(tmp_path, engines=4, cycles=50)
    async with deployment.runtime(template=shipped.ARCHIVE_TEMPLATE) as runtime:
        await answered(runtime, len(deployment))
        records = await whole(deployment)
    assert set(ids(records).values()) == {1}
    expected = deployment.expected()
    values = {
        (f"Client_{unit:03d}", cycle): row
        for unit, cycle, row in zip(
            deployment.units.tolist(), deployment.cycles.tolist(), deployment.trajectories.values.tolist(), strict=True
        )
    }
    seen = set()
    for each in records:
        body = json.loads(each["Body"])
        key = body["ConnectionDeviceId"], body["CycleTime"]
        assert {name: body[name] for name in expected[key]} == expected[key]
        # To the last digit of what was sent.
        assert [body[name] for name in ("OperationalSetting1", "Sensor1", "Sensor21")] == [
            values[key][place] for place in (1, 4, 24)
        ]
        assert each["SystemProperties"]["connectionModuleId"] == "rulclassifier"
        assert each["Properties"]["readingTimeBy"] == "source"
        seen.add(key)
    assert seen == expected.keys()


async def test_readings_come_straight_from_their_source_by_a_route(tmp_path) -> None:
    deployment = Deployment(tmp_path, engines=2, cycles=30)
    content = deployment.content(template=shipped.ARCHIVE_TEMPLATE)
    routes = content["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]
    routes["archiveToWriter"]["route"] = (
        "FROM /messages/modules/telemetrysource/outputs/telemetry "
        'INTO BrokeredEndpoint("/modules/avrowriter/inputs/raw")'
    )
    environment = {WRITER: {"ARCHIVE_FORM": "tutorial"}}
    async with Runtime(content, tmp_path / "home", environment=environment) as runtime:
        await answered(runtime, len(deployment))
        records = await archived(tmp_path / "state" / WRITER / "archive", len(deployment))
    found = {(each["ConnectionDeviceId"], each["Body"]["DeviceId"], each["Body"]["CycleTime"]) for each in records}
    assert found == {(f"Client_{unit:03d}", unit, cycle) for unit in (1, 2) for cycle in range(1, 31)}
    assert len(records) == len(deployment)


async def test_kills_lose_nothing_and_repeat_nothing_that_was_settled(tmp_path) -> None:
    """By `make reliability` 20 kills in 20,000 messages."""
    size = {"engines": 100, "cycles": 200} if ROUNDS > 1 else {"engines": 20, "cycles": 100}
    await kill_and_count(Deployment(tmp_path, **size), kills=max(3, ROUNDS))


async def kill_and_count(deployment: Deployment, kills: int) -> None:
    chance = random.Random(1)
    async with deployment.runtime(template=shipped.ARCHIVE_TEMPLATE) as runtime:
        writer = runtime.agent[WRITER]
        for moment in sorted(chance.sample(range(len(deployment) * 9 // 10), kills)):
            await runtime.upstream.wait_for(moment)
            pid = writer.status.pid
            writer.kill(signal.SIGKILL)
            await writer.until(lambda status, pid=pid: status.state == "running" and status.pid != pid)
            # A module that is killed at once 20 times in a row would be given up, as edgeAgent does.
            writer.status.restarts = 0
        await answered(runtime, len(deployment))
        found = ids(await whole(deployment))
    assert len(found) == len(deployment)
    # Those that edgeHub had handed over and not seen acknowledged come again, under their ids.
    assert found.total() - len(deployment) <= 20 * kills
