import asyncio
import gc
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient

from simulator.mqtt.client import BareClient
from simulator.runtime import Runtime
from tests.places import ROOT

# Tests end long before; a hang is reported rather than waited for.
PATIENCE = 30


def pytest_collection_modifyitems(items):
    """Two things that the SDK does: every other warning is an error.

    It makes its TLS contexts by a name that Python would have it leave, and the MQTT library leaves a pair of sockets
    open when it connects again.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2 is deprecated:DeprecationWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"))


def shared(*parts: str) -> Path:
    """A file of the folder that holds data and schemas, or a skip that names what is missing."""
    folder = Path(os.environ.get("TURBOFAN_SHARED", ROOT.parent / "shared"))
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not in ../shared (or the folder that TURBOFAN_SHARED names)")
    return path


RUNTIME_MODULES = ("edgeAgent", "edgeHub")


def manifest(routes, modules=None, twins=None):
    """A deployment manifest with these routes and modules."""
    # What keeps nothing but is there.
    system = {name: {"type": "docker", "status": "running", "settings": {"image": name}} for name in RUNTIME_MODULES}
    content = {
        "$edgeAgent": {
            "properties.desired": {
                "schemaVersion": "1.1",
                "runtime": {"type": "docker", "settings": {}},
                "systemModules": system,
                "modules": modules or {},
            }
        },
        "$edgeHub": {
            "properties.desired": {
                "schemaVersion": "1.1",
                "routes": routes,
                "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
            }
        },
    }
    for name, desired in (twins or {}).items():
        content[name] = {"properties.desired": desired}
    return {"modulesContent": content}


def module(command, *, policy="always", order=1, status="running", env=None, **options):
    """A module's entry in the manifest."""
    return {
        "type": "docker",
        "status": status,
        "restartPolicy": policy,
        "startupOrder": order,
        "env": {name: {"value": value} for name, value in (env or {}).items()},
        "settings": {"image": "none", "createOptions": json.dumps({"Cmd": command} | options)},
    }


def script(text):
    """A module that runs a line of Python."""
    return ["python3", "-c", text]


A_TO_B = {
    "aToB": 'FROM /messages/modules/a/outputs/* INTO BrokeredEndpoint("/modules/b/inputs/in")',
    "bUp": "FROM /messages/modules/b/* INTO $upstream",
}


@asynccontextmanager
async def running(content, home, *modules, **options):
    """A runtime without processes, with identities for modules that the test plays itself."""
    async with Runtime(content, home, start_modules=False, **options) as runtime:
        for name in modules:
            runtime.add_module(name)
        yield runtime


@asynccontextmanager
async def module_client(runtime, name, **options):
    """The SDK's client of a module, connected.

    The SDK blocks where it makes the client and where a handler is set, so that must not happen on the hub's loop.
    """

    def create():
        with mock.patch.dict(os.environ, runtime.module_environment(name)):
            return IoTHubModuleClient.create_from_edge_environment(**options)

    client = await asyncio.to_thread(create)
    try:
        await client.connect()
        yield client
    finally:
        await asyncio.wait_for(client.shutdown(), PATIENCE)
        # What the SDK has left open is found in this test, not in another.
        gc.collect()


@asynccontextmanager
async def device_client(runtime, connection_string, **options):
    """The SDK's client of a leaf device, connected."""
    trusted = runtime.trust_bundle.read_text()
    client = IoTHubDeviceClient.create_from_connection_string(
        connection_string, server_verification_cert=trusted, **options
    )
    try:
        await client.connect()
        yield client
    finally:
        await asyncio.wait_for(client.shutdown(), PATIENCE)
        # What the SDK has left open is found in this test, not in another.
        gc.collect()


async def receive(client):
    """Let a client receive messages; they come on the queue that is returned."""
    loop = asyncio.get_running_loop()
    received = asyncio.Queue()

    def handler(message):
        loop.call_soon_threadsafe(received.put_nowait, message)

    await asyncio.to_thread(setattr, client, "on_message_received", handler)
    return received


async def soon(awaitable):
    """Await what must happen, and fail rather than hang."""
    return await asyncio.wait_for(awaitable, PATIENCE)


def bare(runtime, name):
    """A bare client of a registered module or device."""
    identity = runtime.hub.client(name).identity
    return BareClient(runtime.address, runtime.hub.name, identity, runtime.trust_bundle)


SENDER = """
import asyncio
from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

async def main():
    client = IoTHubModuleClient.create_from_edge_environment()
    for number in range(3):
        message = Message(f'{{"number": {number}}}', content_type="application/json", content_encoding="utf-8")
        message.message_id = f"id-{number}"
        await client.send_message_to_output(message, "out")
    print("sent", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def simulator(*arguments, **options):
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "simulator", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.fixture
def simulator_process(tmp_path):
    """`simulator run` with a module that sends three messages; its process, and its home."""
    path = tmp_path / "manifest.json"
    path.write_text(
        json.dumps(
            manifest(
                {"up": "FROM /messages/* INTO $upstream"}, {"sender": module(script(SENDER))}, {"sender": {"rate": 1}}
            )
        )
    )
    home = tmp_path / "home"
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", str(path), "--home", str(home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().startswith("running at 127.")
        yield process, home
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
