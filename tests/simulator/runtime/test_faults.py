"""Faults on command, and what the real SDK makes of them."""

import asyncio
import json

import pytest
from azure.iot.device.exceptions import ClientError

from simulator.errors import SimulatorError
from simulator.runtime.control import command
from tests.simulator.conftest import A_TO_B, bare, manifest, module_client, receive, running, simulator, soon

UP = {"up": "FROM /messages/* INTO $upstream"}


async def test_a_hub_that_stops_and_starts_finds_the_sdk_again_and_loses_nothing(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        module_client(runtime, "b", connection_retry_interval=1) as b,
        module_client(runtime, "a", connection_retry_interval=1) as a,
    ):
        received = await receive(b)
        await a.send_message_to_output("before", "o")
        assert (await soon(received.get())).data == b"before"
        await runtime.faults.stop_hub()
        assert not runtime.hub.running
        await runtime.faults.start_hub()
        await soon(runtime.hub.connected("a"))
        await soon(a.send_message_to_output("after", "o"))
        assert (await soon(received.get())).data == b"after"


async def test_a_kicked_module_comes_back_by_itself(tmp_path):
    async with (
        running(manifest(UP), tmp_path, "a") as runtime,
        module_client(runtime, "a", connection_retry_interval=1) as a,
    ):
        runtime.faults.kick("a")
        await soon(runtime.hub.disconnected("a"))
        await soon(runtime.hub.connected("a"))
        await soon(a.send_message_to_output("x", "o"))


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_connection_ends_in_the_middle_of_a_packet_without_a_goodbye(reset, tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.cut("a", reset=reset)
        with pytest.raises((ConnectionResetError, OSError)):
            await soon(a.read())
        assert runtime.hub.client("a").connection is None
        await a.connect()
        await soon(a.send(b"served again"))


async def test_a_withheld_acknowledgement_leaves_the_message_stored_and_the_sender_waiting(tmp_path):
    async with running(manifest(UP), tmp_path, "a", "b") as runtime, bare(runtime, "a") as a, bare(runtime, "b") as b:
        runtime.faults.withhold("a")
        a.publish(b"stored all the same")
        await soon(runtime.upstream.wait_for(1))
        await soon(b.send(b"others are acknowledged"))
        a.write(b"\xc0\x00")
        assert type(await soon(a.read())).__name__ == "Pong"
        await runtime.faults.clear()
        await soon(a.send(b"and so is this"))


async def test_a_delayed_acknowledgement_comes_after_others(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.delay(0.2)
        sent = a.publish(b"x")
        await soon(runtime.upstream.wait_for(1))
        a.write(b"\xc0\x00")
        assert type(await soon(a.read())).__name__ == "Pong"
        assert await soon(a.read()) == (sent,)


async def test_after_its_session_is_forgotten_the_sdk_gets_no_more_input_though_it_can_send(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        module_client(runtime, "b", connection_retry_interval=1) as b,
    ):
        received = await receive(b)
        runtime.faults.forget("b")
        await soon(runtime.hub.disconnected("b"))
        await soon(runtime.hub.connected("b"))
        await a.send(b"lost on it", output="o")
        await soon(b.send_message_to_output("I can send", "o"))
        await soon(runtime.upstream.wait_for(1))
        assert received.empty()
        assert runtime.hub.client("b").pending == 1


async def test_refused_credentials_keep_a_module_out_until_the_fault_ends(tmp_path):
    async with (
        running(manifest(UP), tmp_path, "a", "b") as runtime,
        module_client(runtime, "a", connection_retry_interval=1) as a,
    ):
        runtime.faults.refuse("a")
        runtime.faults.kick("a")
        await soon(runtime.hub.disconnected("a"))
        answer = await bare(runtime, "a").connect()
        assert answer.code == 5
        assert (await bare(runtime, "b").connect()).code == 0
        await runtime.faults.clear()
        # The SDK takes a refusal as final: it does not come back by itself, but when it is told to.
        await soon(a.connect())
        await soon(a.send_message_to_output("x", "o"))


async def test_a_clock_that_is_ahead_takes_every_token_for_expired(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        runtime.faults.skew(7200)
        assert (await bare(runtime, "a").connect()).code == 5
        runtime.faults.skew(-7200)
        assert (await bare(runtime, "a").connect()).code == 0


async def test_a_hub_that_chokes_on_a_message_ends_the_connection_of_who_sends_it_and_takes_others(tmp_path):
    async with running(manifest(UP), tmp_path, "a", "b") as runtime, bare(runtime, "a") as a, bare(runtime, "b") as b:
        runtime.faults.choke("poison")
        for body, bag in ((b"some poison", ""), (b"x", "name=poison")):
            a.publish(body, output="o", bag=bag)
            with pytest.raises(ConnectionResetError):
                await soon(a.read())
            await a.connect()
        await soon(a.send(b"taken"))
        await soon(b.send(b"taken too"))
        await runtime.faults.clear()
        await soon(a.send(b"poison"))
        assert [each.body for each in await runtime.upstream.wait_for(3)] == [b"taken", b"taken too", b"poison"]


async def test_reports_are_refused_with_the_status_that_is_asked_for_and_not_kept(tmp_path):
    async with running(manifest({}), tmp_path, "a", "b") as runtime:
        runtime.faults.refuse_reports(429, "a")
        async with module_client(runtime, "a") as a, module_client(runtime, "b") as b:
            with pytest.raises(ClientError) as refusal:
                await soon(a.patch_twin_reported_properties({"x": 1}))
            assert "status 429" in str(refusal.value.__cause__)
            await soon(b.patch_twin_reported_properties({"x": 1}))
            await runtime.faults.clear()
            await soon(a.patch_twin_reported_properties({"x": 2}))
        assert [runtime.upstream.twin(f"edge-device/{name}").reported for name in "ab"] == [{"x": 2}, {"x": 1}]


@pytest.mark.whole
async def test_a_twin_is_answered_late_with_something_else_or_never(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, module_client(runtime, "a") as a:
        runtime.faults.garble_twin('{"desired": 7}')
        assert await soon(a.get_twin()) == {"desired": 7}
        await runtime.faults.clear()
        runtime.faults.delay_twin(0.3)
        waiting = asyncio.create_task(a.get_twin())
        assert not (await asyncio.wait([waiting], timeout=0.1))[0]
        assert (await soon(waiting))["desired"] == {"$version": 1}
        runtime.faults.silence_twin("a")
        waiting = asyncio.create_task(a.get_twin())
        assert not (await asyncio.wait([waiting], timeout=0.5))[0]
        waiting.cancel()


async def test_a_fault_for_all_clients_is_for_all(tmp_path):
    async with running(manifest(UP), tmp_path, "a", "b") as runtime, bare(runtime, "a") as a, bare(runtime, "b") as b:
        runtime.faults.kick("*")
        for client in (a, b):
            with pytest.raises(ConnectionResetError):
                await soon(client.read())


async def test_an_unknown_client_or_refusal_is_named(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime:
        with pytest.raises(SimulatorError, match="there is no client 'c'; known are edge-device/a"):
            runtime.faults.kick("c")
        with pytest.raises(SimulatorError, match="throttled or quota, not 'lazy'"):
            runtime.faults.refuse_upstream("lazy")


async def test_commands_reach_a_runtime_through_its_home(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await command(tmp_path, "fault", name="offline")
        await a.send(b"x")
        status = await command(tmp_path, "status")
        assert (status["cloud"], status["hub"], status["waiting_for_upstream"]) == ("offline", "running", 1)
        assert status["clients"] == {"edge-device/a": {"connected": True, "waiting": 0}}
        twin = await command(tmp_path, "twin", client="a", desired={"rate": 2})
        assert twin["desired"]["rate"] == 2
        for name, arguments, why in (
            ("fault", {"name": "nothing"}, "there is no fault 'nothing'"),
            ("fault", {"name": "_hub"}, "there is no fault '_hub'"),
            ("nothing", {}, "is no command"),
            ("twin", {}, "lacks 'client'"),
            ("module", {"action": "start", "name": "x"}, "there is no module 'x'"),
            ("method", {"client": "a", "method": "m"}, "edge-device/a is not connected, or takes no methods"),
            ("twin", {"client": "a", "desired": {"a.b": 1}}, "the property name 'a.b'"),
        ):
            with pytest.raises(SimulatorError, match=why):
                await command(tmp_path, name, **arguments)
    with pytest.raises(SimulatorError, match="no runtime runs in"):
        await command(tmp_path, "status")


@pytest.mark.whole
def test_the_command_line_acts_on_a_running_simulator(simulator_process):
    _, home = simulator_process

    def run(*arguments):
        name, *rest = arguments
        result = simulator(name, "--home", home, *rest) if name != "fault" else simulator(*arguments, "--home", home)
        assert result.returncode == 0, result.stderr
        return result.stdout

    status = json.loads(run("status"))
    assert status["modules"]["sender"]["state"] == "running"
    assert json.loads(run("twin", "sender", "--desired", '{"rate": 9}'))["desired"]["rate"] == 9
    run("fault", "refuse-upstream", "quota")
    assert json.loads(run("status"))["cloud"] == "quota"
    run("fault", "stop-hub", "--abrupt")
    assert json.loads(run("status"))["hub"] == "stopped"
    run("fault", "clear")
    assert (json.loads(run("status"))["hub"], json.loads(run("status"))["cloud"]) == ("running", "online")
    run("module", "stop", "sender")
    assert json.loads(run("status"))["modules"]["sender"]["state"] == "stopped"
    assert "export EdgeHubConnectionString='HostName=" in run("debug", "mine")
    assert run("logs", "sender").startswith("sent\n")
    wrong = simulator("method", "--home", home, "sender", "m")
    assert wrong.returncode == 2
    assert "edge-device/sender is not connected" in wrong.stderr
    assert asyncio.run(command(home, "status"))["modules"]["sender"]["pid"] is None
