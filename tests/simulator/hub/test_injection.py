"""Input from outside, as the IoT Edge simulator takes it, and its single-module mode."""

import asyncio
import json
import os
from unittest import mock

import aiohttp
import pytest
from azure.iot.device.aio import IoTHubModuleClient

from simulator.errors import SimulatorError
from simulator.runtime import Runtime
from tests.simulator.conftest import bare, manifest, module, receive, running, soon

JSON = {"Content-Type": "application/json"}
MODULES = {"a": module(["sleep", "600"])}


async def post(runtime, body, **headers):
    """Post to the injection server; the status and the text of its answer."""
    url = f"http://127.0.0.1:{runtime.injection.port}/api/v1/messages"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=JSON | headers) as response:
        return response.status, await response.text()


async def test_what_is_posted_arrives_at_the_input_of_the_module(tmp_path):
    async with (
        Runtime(manifest({}, MODULES), tmp_path, start_modules=False, inject_into="a") as runtime,
        bare(runtime, "a") as a,
    ):
        await a.subscribe()
        for data in ('{"CycleTime": 1}', {"CycleTime": 2}):
            assert (await post(runtime, json.dumps({"inputName": "telemetry", "data": data})))[0] == 200
            packet = await soon(a.read_publish())
            a.acknowledge(packet)
            assert packet.topic.startswith("devices/edge-device/modules/a/inputs/telemetry/")
            assert json.loads(packet.body)["CycleTime"] in {1, 2}


@pytest.mark.parametrize(
    "body", ["nonsense", "[]", '{"data": "x"}', '{"inputName": "", "data": "x"}', '{"inputName": 5, "data": "x"}']
)
async def test_what_is_no_injection_is_refused(body, tmp_path):
    async with Runtime(manifest({}, MODULES), tmp_path, start_modules=False, inject_into="a") as runtime:
        status, text = await post(runtime, body)
        assert status == 400
        assert "inputName" in text


HALF = '{"inputName": "telemetry", "data": "\\ud800"}'
HALF_A_NAME = '{"inputName": "\\ud800", "data": "x"}'
WHOLE = '{"inputName": "telemetry", "data": "x"}'


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (HALF, {}, 400),
        (HALF_A_NAME, {}, 400),
        (WHOLE, {"Content-Type": "text/plain"}, 415),
        (WHOLE, {"Host": "attacker.example"}, 403),
        (WHOLE, {"Host": "attacker.example:53000"}, 403),
        (WHOLE, {"Content-Type": "application/json; charset=utf-8", "Host": "localhost:53000"}, 200),
        (WHOLE, {"Host": "[::1]:53000"}, 200),
    ],
)
async def test_an_injection_that_a_page_could_send_or_that_is_no_text_is_refused_alone(body, headers, status, tmp_path):
    async with (
        Runtime(manifest({}, MODULES), tmp_path, start_modules=False, inject_into="a") as runtime,
        bare(runtime, "a") as a,
    ):
        await a.subscribe()
        assert (await post(runtime, body, **headers))[0] == status
        assert (await post(runtime, '{"inputName": "telemetry", "data": "after"}'))[0] == 200
        got = []
        while b"after" not in got:
            packet = await soon(a.read_publish())
            a.acknowledge(packet)
            got.append(packet.body)
        assert got == ([b"x"] if status == 200 else []) + [b"after"]


async def test_a_second_injection_server_takes_another_port(tmp_path):
    options = {"start_modules": False, "inject_into": "a"}
    async with (
        Runtime(manifest({}, MODULES), tmp_path / "1", **options) as one,
        Runtime(manifest({}, MODULES), tmp_path / "2", **options) as two,
    ):
        assert one.injection.port != two.injection.port


async def test_injection_into_a_module_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SimulatorError, match="there is no client 'nobody'"):
        async with Runtime(manifest({}, MODULES), tmp_path, start_modules=False, inject_into="nobody"):
            pass


async def test_a_module_under_a_debugger_connects_with_the_printed_environment(tmp_path):
    async with running(manifest({"up": "FROM /messages/* INTO $upstream"}), tmp_path, "a") as runtime:

        def create():
            with mock.patch.dict(os.environ, runtime.debug_environment("a")):
                return IoTHubModuleClient.create_from_edge_environment()

        client = await asyncio.to_thread(create)
        await receive(client)
        await soon(client.send_message_to_output("x", "o"))
        await soon(client.shutdown())
        assert (await soon(runtime.upstream.wait_for(1)))[0].module == "a"
