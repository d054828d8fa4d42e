"""The device harness: leaf devices that send telemetry."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from scoring.errors import CmapssError
from simulator.engines import leaf_devices
from simulator.errors import SimulatorError
from simulator.identity import new_key
from simulator.runtime.certificates import Authority
from tests.onnx_models import record, signature, tiny_model
from tests.simulator.conftest import ROOT, manifest, running, shared, simulator, soon
from tests.waiting import until

pytestmark = pytest.mark.whole

UP = {"up": "FROM /messages/* INTO $upstream"}


async def harness(*arguments, **environment):
    """Run `python -m simulator devices`; its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "devices", *map(str, arguments)),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, error = await soon(process.communicate())
    return process.returncode, out.decode(), error.decode()


async def test_devices_send_simulated_telemetry_through_the_gateway(tmp_path):
    async with running(manifest(UP), tmp_path) as runtime:
        code, out, error = await harness("--home", tmp_path, "--count", 3, "--cycles", 4, "--rate", 0)
        assert code == 0, error
        assert out == "3 devices have sent 12 messages\n"
        messages = await soon(runtime.upstream.wait_for(12))
    assert Counter(message.device for message in messages) == {f"Client_00{number}": 4 for number in (1, 2, 3)}
    mine = [message for message in messages if message.device == "Client_002"]
    assert [json.loads(message.body)["CycleTime"] for message in mine] == [1, 2, 3, 4]
    assert [message.message_id for message in mine] == [f"Client_002-{number}" for number in (1, 2, 3, 4)]
    assert {(message.content_type, message.content_encoding, message.module) for message in messages} == {
        ("application/json", "utf-8", None)
    }


async def test_devices_send_a_tables_rows_each_under_its_machines_name(tmp_path):
    model, table = tmp_path / "pumps.onnx", tmp_path / "test_pumps.csv"
    model.write_bytes(tiny_model(signature(machine="Pump")))
    names = list(record(1))
    rows = [["Pump", *names, "RUL"], *([pump, *record(hour).values(), 9] for pump in ("P-1", "P-2") for hour in (1, 2))]
    table.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    async with running(manifest(UP), tmp_path) as runtime:
        told = ("--telemetry", table, "--model", model)
        code, _, error = await harness("--home", tmp_path, "--count", 2, "--rate", 0, *told)
        assert code == 0, error
        messages = await soon(runtime.upstream.wait_for(4))
    sent = sorted((each.message_id, json.loads(each.body)) for each in messages)
    assert sent == [(f"{pump}-{hour}", record(hour)) for pump in ("P-1", "P-2") for hour in (1, 2)]
    assert {each.device for each in messages} == {"P-1", "P-2"}


async def test_devices_send_what_a_cmapss_file_recorded(tmp_path):
    path = shared("data", "cmapss", "test_FD003.txt.gz")
    async with running(manifest(UP), tmp_path) as runtime:
        code, _, error = await harness(
            *("--home", tmp_path, "--count", 2, "--cycles", 3, "--rate", 0, "--telemetry", path)
        )
        assert code == 0, error
        messages = await soon(runtime.upstream.wait_for(6))
    with gzip.open(path, "rt") as file:
        rows = [[float(value) for value in line.split()] for line in file]
    second = [row for row in rows if row[0] == 2]
    sent = [json.loads(message.body) for message in messages if message.device == "Client_002"]
    assert [list(each.values()) for each in sent] == [row[1:] for row in second[:3]]


async def test_devices_connect_with_connection_strings_from_a_file(tmp_path):
    async with running(manifest(UP), tmp_path) as runtime:
        file = tmp_path / "strings"
        file.write_text(f"# mine\n{runtime.add_device('one')}\n\n{runtime.add_device('two')}\n")
        trusted = ("--trust-bundle", runtime.trust_bundle)
        code, _, error = await harness("--connection-strings", file, *trusted, "--cycles", 1, "--rate", 0)
        assert code == 0, error
        assert {message.device for message in await soon(runtime.upstream.wait_for(2))} == {"one", "two"}


async def test_the_connection_string_is_printed_and_stays_the_same(tmp_path):
    async with running(manifest(UP), tmp_path) as runtime:
        _, first, _ = await harness("--home", tmp_path, "--print")
        _, again, _ = await harness("--home", tmp_path, "--print")
        assert first == again
        assert first.startswith("HostName=simulated-hub.azure-devices.net;DeviceId=Client_001;SharedAccessKey=")
        assert first.endswith(f";GatewayHostName={runtime.address}\n")


async def test_devices_send_again_what_the_hub_could_not_take(tmp_path, caplog):
    async with running(manifest(UP), tmp_path) as runtime:
        plans = [leaf_devices.Plan(runtime.add_device("one"), [{"CycleTime": number} for number in range(30)])]
        fleet = leaf_devices.Fleet(plans, rate=40, trust_bundle=runtime.trust_bundle)
        sending = asyncio.create_task(fleet.run())
        await soon(runtime.upstream.wait_for(3))
        await runtime.faults.stop_hub()
        await until(lambda: "sending again" in caplog.text)
        await runtime.faults.start_hub()
        await asyncio.wait_for(sending, 60)
        bodies = [json.loads(message.body)["CycleTime"] for message in await soon(runtime.upstream.wait_for(30))]
    assert sorted(set(bodies)) == list(range(30))
    assert fleet.sent == 30


async def test_devices_are_registered_with_the_connection_string_of_the_hubs_owner(tmp_path):
    """azure-iot-hub against a stand-in for the registry of an IoT Hub; the devices it makes exist in it."""
    pytest.importorskip("azure.iot.hub", reason="azure-iot-hub is not installed (pip install azure-iot-hub six)")
    registry = {"Client_001": {"deviceId": "Client_001", "authentication": key_of("kept")}}
    address = f"127.94.{os.getpid() // 250 % 250}.{os.getpid() % 250 + 1}"

    async def get(request):
        name = request.match_info["name"]
        if name not in registry:
            return web.json_response({"Message": "ErrorCode:DeviceNotFound"}, status=404)
        return web.json_response(registry[name])

    async def put(request):
        assert request.headers["Authorization"].startswith("SharedAccessSignature sr=")
        registry[request.match_info["name"]] = await request.json()
        return web.json_response(registry[request.match_info["name"]])

    app = web.Application()
    app.router.add_get("/devices/{name}", get)
    app.router.add_put("/devices/{name}", put)
    authority = Authority(tmp_path)
    context = authority.server_context(address)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, 443, ssl_context=context).start()
    except PermissionError:
        await runner.cleanup()
        pytest.skip(f"port 443 of {address} cannot be listened on by this user")
    owner = f"HostName={address};SharedAccessKeyName=iothubowner;SharedAccessKey={new_key()}"
    trusted = {"REQUESTS_CA_BUNDLE": str(authority.certificate_file), "IOTHUB_CONNECTION_STRING": owner}
    code, out, error = await harness("--register", "--count", 2, "--print", **trusted)
    await runner.cleanup()
    assert code == 0, error
    first, second = out.splitlines()
    assert first == f"HostName={address};DeviceId=Client_001;SharedAccessKey=kept"
    made = registry["Client_002"]["authentication"]["symmetricKey"]["primaryKey"]
    assert second == f"HostName={address};DeviceId=Client_002;SharedAccessKey={made}"


def key_of(key):
    """The authentication part of a device in the registry."""
    return {"type": "sas", "symmetricKey": {"primaryKey": key, "secondaryKey": "other"}}


def test_what_is_missing_is_named(tmp_path):
    few = tmp_path / "few"
    few.write_text("1 1 " + "0 " * 24 + "\n")
    with pytest.raises(SimulatorError, match="has 1, not the 2 that are needed"):
        leaf_devices.recorded(few, None, 2)
    few.write_text("1 1 0\n")
    with pytest.raises(CmapssError, match="few, line 1: expected 26 columns, found 3"):
        leaf_devices.recorded(few, None, 1)
    with pytest.raises(SimulatorError, match=r"own.csv is a table; give --model"):
        leaf_devices.recorded(Path("own.csv"), None, 1)
    few.write_text("# all of them\n\nHostName=x;DeviceId=;SharedAccessKey=c2VjcmV0\n")
    with pytest.raises(SimulatorError, match=r"few, line 3: no DeviceId;") as refused:
        leaf_devices.listed(few, None)
    assert "c2VjcmV0" not in str(refused.value)
    environment = {name: value for name, value in os.environ.items() if name != "IOTHUB_CONNECTION_STRING"}
    result = simulator("devices", "--register", env=environment)
    assert result.returncode == 2
    assert (
        result.stderr == "error: IOTHUB_CONNECTION_STRING has no value; set it to the hub owner's connection string\n"
    )
