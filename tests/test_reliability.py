"""The promise of docs/reliability.md: nothing lost, nothing twice, never stuck, each line under its fault.

`FAULT_ROUNDS` multiplies how often each fault is injected; `make reliability` runs them all as often as
docs/reliability.md says.
"""

import asyncio
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable

import psutil
import pytest

from simulator.cloud.upstream import Received
from simulator.hub.client import Terms
from simulator.runtime import Runtime
from tests.deployment import Deployment, answered, by_output
from tests.places import ROOT
from tests.waiting import until

pytestmark = pytest.mark.whole

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
CLASSIFIER = "rulclassifier"
FLEET = ROOT / "models" / "fleet.onnx"
# The shipped model where faults are many, the quick one where they are few.
MODEL = FLEET if ROUNDS > 1 else None
Disturbance = Callable[[Runtime], Awaitable[None]]


def bodies(messages: list[Received]) -> dict[tuple[str, int], bytes]:
    found = {}
    for each in by_output(messages, "predictions").values():
        record = json.loads(each.body)
        found[record["ConnectionDeviceId"], record["CycleTime"]] = each.body
    return found


def expected_bodies(deployment: Deployment) -> dict[tuple[str, int], bytes]:
    return {key: json.dumps(record, separators=(",", ":")).encode() for key, record in deployment.expected().items()}


def assert_order_is_kept(messages: list[Received]) -> None:
    """Once repeated ids are dropped, each engine's predictions are in the order of its cycles."""
    last: dict[str, int] = {}
    for each in by_output(messages, "predictions").values():
        record = json.loads(each.body)
        engine, cycle = record["ConnectionDeviceId"], record["CycleTime"]
        assert cycle > last.get(engine, 0), f"{engine}: cycle {cycle} came after {last[engine]}"
        last[engine] = cycle


def assert_undisturbed(messages: list[Received], deployment: Deployment) -> None:
    assert bodies(messages) == expected_bodies(deployment)
    assert by_output(messages, "deadletter") == {}
    assert_order_is_kept(messages)


@pytest.mark.parametrize("model", [None, FLEET], ids=["tiny", "fleet"])
async def test_twenty_kills_in_twenty_thousand_messages_lose_nothing_and_change_nothing(tmp_path, model) -> None:
    deployment = Deployment(tmp_path, engines=100, cycles=200, model=model)
    chance = random.Random(1)
    async with deployment.runtime() as runtime:
        classifier = runtime.agent[CLASSIFIER]
        for moment in sorted(chance.sample(range(len(deployment) * 9 // 10), 20)):
            await runtime.upstream.wait_for(moment)
            pid = classifier.status.pid
            classifier.kill(signal.SIGKILL)
            await classifier.until(lambda status, pid=pid: status.state == "running" and status.pid != pid)
            # A module that is killed at once 20 times in a row would be given up, as edgeAgent does.
            classifier.status.restarts = 0
        messages = await answered(runtime, len(deployment))
    assert_undisturbed(messages, deployment)


async def cut_in_mid_write(runtime: Runtime) -> None:
    for _ in range(10 * ROUNDS):
        await runtime.hub.connected(CLASSIFIER)
        await flow(runtime)
        runtime.faults.cut(CLASSIFIER)
        await runtime.hub.disconnected(CLASSIFIER)


async def kick(runtime: Runtime) -> None:
    for _ in range(5 * ROUNDS):
        await runtime.hub.connected(CLASSIFIER)
        await flow(runtime)
        runtime.faults.kick(CLASSIFIER)
        await runtime.hub.disconnected(CLASSIFIER)


async def restart_the_hub(runtime: Runtime) -> None:
    for number in range(3 * ROUNDS):
        await runtime.hub.connected(CLASSIFIER)
        await flow(runtime)
        await runtime.faults.stop_hub(abrupt=number % 2 == 0)
        await runtime.faults.start_hub()


async def forget_the_session(runtime: Runtime) -> None:
    for _ in range(3 * ROUNDS):
        await runtime.hub.connected(CLASSIFIER)
        await flow(runtime)
        runtime.faults.forget(CLASSIFIER)
        await runtime.hub.disconnected(CLASSIFIER)


async def let_tokens_expire(runtime: Runtime) -> None:
    runtime.faults.expire_tokens(2.0)
    for _ in range(3 * ROUNDS):
        await runtime.hub.connected(CLASSIFIER)
        await runtime.hub.disconnected(CLASSIFIER)
    await runtime.faults.clear()


async def withhold_acknowledgements(runtime: Runtime) -> None:
    runtime.faults.withhold(CLASSIFIER)
    await asyncio.sleep(3.0 * ROUNDS)
    await runtime.faults.clear()


async def refuse_credentials(runtime: Runtime) -> None:
    runtime.faults.refuse(CLASSIFIER)
    runtime.faults.kick(CLASSIFIER)
    await asyncio.sleep(3.0 * ROUNDS)
    await runtime.faults.clear()


async def flow(runtime: Runtime) -> None:
    """Wait until something new is upstream, so that the next fault meets a module at work; none if all is there."""
    count = runtime.upstream.count
    try:
        await asyncio.wait_for(runtime.upstream.wait_for(count + 5), 1.0)
    except TimeoutError:
        return


@pytest.mark.parametrize(
    "disturb",
    [
        cut_in_mid_write,
        kick,
        restart_the_hub,
        forget_the_session,
        let_tokens_expire,
        withhold_acknowledgements,
        refuse_credentials,
    ],
)
async def test_the_module_goes_on_by_itself_and_nothing_is_lost_or_changed(tmp_path, disturb: Disturbance) -> None:
    deployment = Deployment(tmp_path, engines=20, cycles=50 * ROUNDS, model=MODEL)
    async with deployment.runtime(rate=100.0) as runtime:
        await runtime.upstream.wait_for(1)
        process = psutil.Process(runtime.agent[CLASSIFIER].status.pid)
        await disturb(runtime)
        source = f"{runtime.hub.device}/telemetrysource"
        runtime.upstream.set_desired(source, {"rate": 0})
        messages = await answered(runtime, len(deployment))
        assert runtime.agent[CLASSIFIER].status.pid == process.pid, "the module was restarted"
        assert process.memory_info().rss < 150e6
    assert_undisturbed(messages, deployment)


async def test_a_hub_that_is_away_at_the_start_is_waited_for(tmp_path) -> None:
    deployment = Deployment(tmp_path)
    async with deployment.runtime(start_modules=False) as runtime:
        await runtime.faults.stop_hub()
        await runtime.agent.start()
        pid = runtime.agent[CLASSIFIER].status.pid
        await asyncio.sleep(15.0 * ROUNDS)
        await runtime.faults.start_hub()
        messages = await answered(runtime, len(deployment))
        assert runtime.agent[CLASSIFIER].status.pid == pid
        log = runtime.agent[CLASSIFIER].text()
    assert log.count("cannot connect to edgeHub") == 1
    assert_undisturbed(messages, deployment)


async def test_a_full_journal_pushes_back_on_the_hub_and_drains_by_itself(tmp_path) -> None:
    deployment = Deployment(tmp_path, engines=20, cycles=100)
    settings = {CLASSIFIER: {"JOURNAL_MEGABYTES": "1"}}
    async with deployment.runtime(environment=settings, terms=Terms(puback_timeout=1.0)) as runtime:
        await runtime.upstream.wait_for(1)
        runtime.faults.withhold(CLASSIFIER)
        # Until the journal refuses: what is stored for the module at the hub then stays there.
        source = f"{runtime.hub.device}/telemetrysource"
        await until(lambda: runtime.upstream.twin(source).reported.get("replay"))
        await asyncio.sleep(3.0)
        journal = tmp_path / "state" / CLASSIFIER / "journal.sqlite3"
        assert journal.stat().st_size < 3_000_000
        assert psutil.Process(runtime.agent[CLASSIFIER].status.pid).memory_info().rss < 150e6
        await runtime.faults.clear()
        runtime.faults.kick(CLASSIFIER)
        messages = await answered(runtime, len(deployment))
    assert_undisturbed(messages, deployment)


async def test_a_module_without_progress_ends_itself_says_why_and_goes_on(tmp_path) -> None:
    deployment = Deployment(tmp_path, engines=4, cycles=50)
    settings = {CLASSIFIER: {"WATCHDOG_EARLIEST_SECONDS": "3", "WATCHDOG_STALL_SECONDS": "3"}}
    async with deployment.runtime(environment=settings, rate=50.0) as runtime:
        await runtime.upstream.wait_for(10)
        classifier = runtime.agent[CLASSIFIER]
        pid = classifier.status.pid
        runtime.faults.withhold(CLASSIFIER)
        await classifier.until(lambda status: status.pid not in {pid, None} and status.state == "running")
        await runtime.faults.clear()
        runtime.faults.kick(CLASSIFIER)
        messages = await answered(runtime, len(deployment))
        assert "the outbox has waited" in classifier.text()
    assert_undisturbed(messages, deployment)
