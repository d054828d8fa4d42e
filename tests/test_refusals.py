"""What the hub does not take costs itself only: a report, a twin, one message; with the real SDK in real processes."""

import asyncio
import re

import pytest

from modules.edge.hub.message import OutputMessage
from modules.edge.journal import Journal, Settlement
from modules.rulclassifier.tables import TABLES
from simulator.runtime import Runtime
from tests.deployment import Deployment, answered, by_output
from tests.waiting import until

pytestmark = pytest.mark.whole

CLASSIFIER = "rulclassifier"
ANSWER = {"ac": 404, "ad": "not a property of this module"}
NESTED: object = 1
for _ in range(9):
    NESTED = {"l": NESTED}


def twin_of(runtime: Runtime) -> str:
    return f"{runtime.hub.device}/{CLASSIFIER}"


def log_of(runtime: Runtime) -> str:
    return runtime.agent[CLASSIFIER].text()


def reported(runtime: Runtime) -> dict:
    """What is said of each desired property, without the version."""
    found = runtime.upstream.twin(twin_of(runtime)).reported
    of_desired = {name: value for name, value in found.items() if isinstance(value, dict)}
    return {name: {key: value[key] for key in value if key != "av"} for name, value in of_desired.items()}


async def all_is_answered(runtime: Runtime, deployment: Deployment) -> None:
    """Every reading is, over one and the same connection."""
    runtime.upstream.set_desired(f"{runtime.hub.device}/telemetrysource", {"rate": 0})
    messages = await answered(runtime, len(deployment))
    assert len(by_output(messages, "predictions")) == len(deployment)
    assert "is lost" not in log_of(runtime)


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_a_report_that_the_hub_refuses_is_logged_once_and_dropped(tmp_path, status: int) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(rate=20.0) as runtime:
        runtime.faults.refuse_reports(status, CLASSIFIER)
        runtime.upstream.set_desired(twin_of(runtime), {"colour": "red"})
        await until(lambda: f"a report of colour is dropped: the hub answered with status {status}" in log_of(runtime))
        await runtime.faults.clear()
        await all_is_answered(runtime, deployment)
        assert log_of(runtime).count("is dropped") == 1
        assert reported(runtime) == {}


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_report_that_the_hub_cannot_take_now_is_made_later_as_it_is_then(tmp_path, status: int) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(rate=20.0) as runtime:
        runtime.faults.refuse_reports(status, CLASSIFIER)
        runtime.upstream.set_desired(twin_of(runtime), {"colour": "red"})
        await until(lambda: f"the hub answered with status {status}" in log_of(runtime))
        runtime.upstream.set_desired(twin_of(runtime), {"colour": None, "taste": "sweet"})
        await runtime.faults.clear()
        await until(lambda: reported(runtime))
        assert reported(runtime) == {"taste": ANSWER}
        await all_is_answered(runtime, deployment)
        assert log_of(runtime).count("a report has to wait") == 1


@pytest.mark.parametrize(
    "desired",
    [{"v": NESTED}, {f"k{n}": n for n in range(400)}, {f"k{n}": "x" * 4050 for n in range(8)}],
    ids=["nested", "many", "long"],
)
async def test_properties_that_are_not_ours_are_acknowledged_within_a_twins_limits_and_go_with_them(
    tmp_path, desired: dict
) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(rate=20.0) as runtime:
        runtime.upstream.set_desired(twin_of(runtime), desired)
        await until(lambda: reported(runtime))
        assert reported(runtime).keys() <= desired.keys()
        assert all(each == ANSWER for each in reported(runtime).values())
        await until(lambda: runtime.hub.client(CLASSIFIER).connection is not None)
        # What one process has reported, the next takes back.
        await runtime.agent[CLASSIFIER].stop()
        runtime.upstream.replace_desired(twin_of(runtime), {})
        await runtime.agent[CLASSIFIER].start()
        await until(lambda: not reported(runtime))
        await all_is_answered(runtime, deployment)


async def test_a_twin_that_is_never_answered_costs_no_prediction(tmp_path) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(start_modules=False) as runtime:
        runtime.faults.silence_twin(CLASSIFIER)
        await runtime.agent.start()
        await all_is_answered(runtime, deployment)


async def test_a_twin_that_is_no_json_costs_no_prediction(tmp_path) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(start_modules=False) as runtime:
        # The SDK never returns from reading such a one.
        runtime.faults.garble_twin("no JSON")
        await runtime.agent.start()
        await answered_before_the_twin(runtime, deployment)
        assert "is lost" not in log_of(runtime)


async def test_a_twin_that_is_answered_late_is_put_to_use_then(tmp_path) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(start_modules=False) as runtime:
        runtime.upstream.set_desired(twin_of(runtime), {"colour": "red"})
        runtime.faults.delay_twin(10.0)
        await runtime.agent.start()
        await answered_before_the_twin(runtime, deployment)
        await until(lambda: reported(runtime) == {"colour": ANSWER})
        assert "is lost" not in log_of(runtime)


async def answered_before_the_twin(runtime: Runtime, deployment: Deployment) -> None:
    while len(by_output(runtime.upstream.messages(), "predictions")) < len(deployment):
        assert not reported(runtime)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("text", ["[]", "null", '{"desired": {"colour": "red"}}', '{"desired": "red"}'])
async def test_a_twin_that_is_nonsense_costs_no_prediction_and_is_read_again(tmp_path, text: str) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(start_modules=False) as runtime:
        runtime.upstream.set_desired(twin_of(runtime), {"colour": "red"})
        runtime.faults.garble_twin(text)
        await runtime.agent.start()
        await answered_before_the_twin(runtime, deployment)
        await runtime.faults.clear()
        await until(lambda: reported(runtime) == {"colour": ANSWER}, 120)
        assert "is lost" not in log_of(runtime)


async def test_a_message_on_which_the_hub_ends_the_connection_is_replaced_and_holds_up_nobody(tmp_path) -> None:
    deployment = Deployment(tmp_path, engines=20, cycles=50)
    fatal = deployment.answers()["Client_007", 25]
    async with deployment.runtime(rate=100.0) as runtime:
        runtime.faults.choke(f"=predictions&%24.mid={fatal.id}&")
        messages = await answered(runtime, len(deployment))
        log = log_of(runtime)
    predictions = by_output(messages, "predictions")
    assert len(predictions) == len(deployment) - 1
    assert fatal.id not in predictions
    (instead,) = by_output(messages, "deadletter").values()
    assert b'"Client_007","CycleTime":25' in instead.body
    assert f"message {fatal.id} for predictions is replaced by a dead letter" in log
    assert 4 <= len(re.findall("is lost", log)) <= 8


async def kick_again_and_again(runtime: Runtime) -> None:
    for _ in range(40):
        await asyncio.sleep(0.3)
        if runtime.hub.client(CLASSIFIER).connection is not None:
            runtime.faults.kick(CLASSIFIER)


async def fill_the_hubs_disk(runtime: Runtime) -> None:
    await runtime.faults.fill_disk()
    await asyncio.sleep(12.0)
    await runtime.faults.clear()


@pytest.mark.parametrize("disturb", [kick_again_and_again, fill_the_hubs_disk])
async def test_a_link_that_flaps_and_a_hub_that_takes_nothing_replace_nothing(tmp_path, disturb) -> None:
    deployment = Deployment(tmp_path, engines=20, cycles=50)
    async with deployment.runtime(rate=100.0) as runtime:
        await runtime.upstream.wait_for(20)
        await disturb(runtime)
        messages = await answered(runtime, len(deployment))
        assert "is replaced" not in log_of(runtime)
    assert len(by_output(messages, "predictions")) == len(deployment)
    assert by_output(messages, "deadletter") == {}


async def test_what_an_older_version_left_and_nobody_takes_is_replaced_at_once(tmp_path) -> None:
    deployment = Deployment(tmp_path)
    state = tmp_path / "state" / CLASSIFIER
    state.mkdir(parents=True)
    journal = Journal(state / "journal.sqlite3", 10_000_000, own=TABLES)
    body = bytes(200_000)
    journal.settle(
        Settlement(
            answers=[
                OutputMessage("deadletter", body, "over-256-kb", order="a", properties={"n" * 70_000: "over 256 KB"}),
                OutputMessage("predictions", b"{}", "long-topic", order="a", properties={"name": "+" * 22_000}),
                OutputMessage("predictions", b"{}", "good", order="a"),
            ]
        )
    )
    journal.close()
    async with deployment.runtime() as runtime:
        await answered(runtime, len(deployment))
        messages = runtime.upstream.messages()
        log = log_of(runtime)
    assert "is lost" not in log
    assert "good" in by_output(messages, "predictions")
    letters = by_output(messages, "deadletter")
    assert b"".join(letters[name].body for name in sorted(letters) if name.startswith("over-256-kb")) == body
    assert letters["long-topic-bare-1"].body == b"{}"
    assert "message over-256-kb for deadletter is replaced by a dead letter: its properties make a topic of" in log
    assert "message long-topic for predictions is replaced by a dead letter: its properties make a topic of 66" in log
