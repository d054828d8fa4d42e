import asyncio
import gc
import os
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import pytest
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient

from simulator.bare_client import BareClient
from simulator.runtime import Runtime

ROOT = Path(__file__).parents[2]
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


def manifest(routes, modules=None, twins=None):
    """A deployment manifest with these routes and modules."""
    content = {
        "$edgeAgent": {"properties.desired": {"modules": modules or {}}},
        "$edgeHub": {"properties.desired": {"routes": routes}},
    }
    for name, desired in (twins or {}).items():
        content[name] = {"properties.desired": desired}
    return {"modulesContent": content}


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
    identity = runtime.hub.outbox(name).identity
    return BareClient(runtime.address, runtime.hub.name, identity, runtime.trust_bundle)
