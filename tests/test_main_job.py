"""The main job on the simulator's edge runtime: real processes, real MQTT over TLS, the real SDK."""

import json
import signal

import psutil
import pytest

from modules.telemetrysource.replay import Replay
from scoring.wire.recording import read_cmapss
from tests.deployment import Deployment, answered, by_output

pytestmark = pytest.mark.whole


@pytest.fixture
def deployment(tmp_path) -> Deployment:
    return Deployment(tmp_path)


def predictions(messages) -> dict[tuple[str, int], dict]:
    records = [json.loads(each.body) for each in by_output(messages, "predictions").values()]
    return {(record["ConnectionDeviceId"], record["CycleTime"]): record for record in records}


async def test_every_reading_is_answered_upstream_as_an_undisturbed_classifier_would(deployment) -> None:
    async with deployment.runtime() as runtime:
        messages = await answered(runtime, len(deployment))
    assert predictions(messages) == deployment.expected()
    assert by_output(messages, "deadletter") == {}


async def test_a_prediction_can_be_routed_on_its_body_and_traced_to_its_reading(deployment) -> None:
    async with deployment.runtime() as runtime:
        messages = await answered(runtime, len(deployment))
    (found,) = [
        each
        for each in by_output(messages, "predictions").values()
        if json.loads(each.body)["ConnectionDeviceId"] == "Client_002" and json.loads(each.body)["CycleTime"] == 7
    ]
    assert (found.module, found.content_type, found.content_encoding) == ("rulclassifier", "application/json", "utf-8")
    assert found.correlation_id.endswith("-Client_002-7")
    assert found.properties["rulClass"] == json.loads(found.body)["RulClass"]
    assert "creationTimeUtc" in found.properties


async def test_predictions_of_an_engine_arrive_in_the_order_of_its_cycles(deployment) -> None:
    async with deployment.runtime() as runtime:
        messages = await answered(runtime, len(deployment))
    for engine in ("Client_001", "Client_004"):
        records = [json.loads(each.body) for each in messages if each.output == "predictions"]
        cycles = [record["CycleTime"] for record in records if record["ConnectionDeviceId"] == engine]
        assert cycles == list(range(1, 51))


async def test_corrupted_messages_change_no_prediction_and_each_comes_back_once_with_its_bytes(deployment) -> None:
    replay = Replay(read_cmapss(deployment.folder / "test_FD003.txt", "Client_"), corrupt_share=0.2)
    spoilt = [reading for n in range(len(replay)) for reading in replay.at(n) if reading.is_corrupt]
    async with deployment.runtime(environment={"telemetrysource": {"CORRUPT_SHARE": "0.2"}}) as runtime:
        messages = await answered(runtime, len(deployment) + len(spoilt))
    assert predictions(messages) == deployment.expected()
    dead = list(by_output(messages, "deadletter").values())
    assert sorted((each.correlation_id, each.body) for each in dead) == sorted(
        (reading.message_id, reading.body) for reading in spoilt
    )
    assert all(each.properties["reason"] and each.properties["detail"] for each in dead)


async def test_a_killed_classifier_goes_on_where_it_was(deployment) -> None:
    async with deployment.runtime(rate=100.0) as runtime:
        classifier = runtime.agent["rulclassifier"]
        for count in (20, 60, 120):
            await runtime.upstream.wait_for(count)
            pid = classifier.status.pid
            classifier.kill(signal.SIGKILL)
            await classifier.until(lambda status, pid=pid: status.state == "running" and status.pid != pid)
        messages = await answered(runtime, len(deployment))
    assert predictions(messages) == deployment.expected()


async def test_a_killed_source_sends_the_rest(deployment) -> None:
    async with deployment.runtime(rate=100.0) as runtime:
        await runtime.upstream.wait_for(50)
        runtime.agent["telemetrysource"].kill(signal.SIGKILL)
        messages = await answered(runtime, len(deployment))
    assert predictions(messages) == deployment.expected()


async def test_a_hub_that_goes_away_and_comes_back_loses_nothing(deployment) -> None:
    async with deployment.runtime(rate=100.0) as runtime:
        await runtime.upstream.wait_for(30)
        await runtime.faults.stop_hub(abrupt=True)
        await runtime.faults.start_hub()
        messages = await answered(runtime, len(deployment))
    assert predictions(messages) == deployment.expected()


async def test_sigterm_ends_the_modules_in_order_and_leaves_nothing_behind(deployment) -> None:
    async with deployment.runtime(rate=100.0) as runtime:
        await runtime.upstream.wait_for(20)
        processes = [psutil.Process(runtime.agent[name].status.pid) for name in ("rulclassifier", "telemetrysource")]
        family = [each for process in processes for each in (process, *process.children(recursive=True))]
        modules = [runtime.agent[name] for name in ("rulclassifier", "telemetrysource")]
        for module in modules:
            await module.stop()
        assert [module.status.exit_code for module in modules] == [0, 0]
        assert [module.text(1).split(" - ")[1] for module in modules] == ["stopped\n", "stopped\n"]
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    state = deployment.folder / "state"
    # A journal that was closed in order has no write-ahead log beside it.
    assert sorted(path.name for path in state.rglob("*") if path.is_file()) == ["journal.sqlite3", "position.json"]


async def test_the_rate_can_be_changed_by_the_twin_while_the_source_runs(deployment) -> None:
    async with deployment.runtime(rate=0.5) as runtime:
        source = f"{runtime.hub.device}/telemetrysource"
        await runtime.upstream.wait_for(1)
        runtime.upstream.set_desired(source, {"rate": 0, "colour": "red"})
        await answered(runtime, len(deployment))
        reported = runtime.upstream.twin(source).reported
    assert (reported["rate"]["value"], reported["rate"]["ac"], reported["colour"]["ac"]) == (0, 200, 404)


async def test_two_devices_run_side_by_side(tmp_path) -> None:
    deployments = []
    for name in ("west", "east"):
        (tmp_path / name).mkdir()
        deployments.append(Deployment(tmp_path / name, engines=2, cycles=20))
    async with deployments[0].runtime() as west, deployments[1].runtime() as east:
        assert west.address != east.address
        for deployment, runtime in zip(deployments, (west, east), strict=True):
            assert predictions(await answered(runtime, len(deployment))) == deployment.expected()


async def test_a_module_that_cannot_serve_its_model_says_why_and_ends(tmp_path) -> None:
    deployment = Deployment(tmp_path, model=b"not a model")
    async with deployment.runtime() as runtime:
        status = await runtime.agent["rulclassifier"].until(lambda status: status.exit_code is not None)
        assert status.exit_code == 2
        assert "model.onnx is no ONNX file, or a damaged one" in runtime.agent["rulclassifier"].text()
