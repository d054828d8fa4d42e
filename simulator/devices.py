"""Leaf devices that send an engine's telemetry: to the simulator, to a gateway, or to an IoT Hub."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from simulator import cmapss
from simulator.engines import engines
from simulator.errors import SimulatorError
from simulator.identity import new_key

logger = logging.getLogger(__name__)

# TLS handshakes at once: more only make each other time out.
MOST_CONNECTING = 20
# Before a message that could not be sent is sent again.
PAUSE = 1.0

Telemetry = Sequence[dict[str, float]]


class Plan(NamedTuple):
    """What one device does.

    Attributes:
        connection_string: how it connects.
        telemetry: what it sends, a message each.
    """

    connection_string: str
    telemetry: Telemetry

    @property
    def name(self) -> str:
        """The device id in the connection string."""
        fields = dict(part.split("=", 1) for part in self.connection_string.split(";") if "=" in part)
        if "DeviceId" not in fields:
            message = "a connection string names no DeviceId; a device's is HostName=..;DeviceId=..;SharedAccessKey=.."
            raise SimulatorError(message)
        return fields["DeviceId"]


def names(count: int) -> list[str]:
    """Device ids as in the tutorial: Client_001, Client_002, ..."""
    return [f"Client_{number:03d}" for number in range(1, count + 1)]


def recorded(path: Path, count: int) -> list[Telemetry]:
    """The telemetry of the first engines of a C-MAPSS file (text, or .gz)."""
    rows: dict[int, list[dict[str, float]]] = {}
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="ascii") as file:
            for number, line in enumerate(file, start=1):
                values = line.split()
                if len(values) != 2 + len(cmapss.DECIMALS):
                    message = f"{path} line {number} has {len(values)} columns, not 26"
                    raise SimulatorError(message)
                fields = [int(values[1]), *map(float, values[2:])]
                rows.setdefault(int(values[0]), []).append(dict(zip(cmapss.FIELDS, fields, strict=True)))
    except (OSError, ValueError) as error:
        message = f"{path} cannot be read as a C-MAPSS file: {error}"
        raise SimulatorError(message) from error
    return _enough(list(rows.values()), count, str(path))


def simulated(subset: str, count: int, seed: int) -> list[Telemetry]:
    """The telemetry of engines that are worn out here and now."""
    return [list(cmapss.telemetry(engine)) for engine in engines(subset, count, seed)]


def _enough(found: list[Any], count: int, where: str) -> list[Any]:
    if len(found) < count:
        message = f"{where} has {len(found)}, not the {count} that are needed; ask for fewer devices"
        raise SimulatorError(message)
    return found[:count]


def listed(path: Path, count: int | None) -> list[str]:
    """Connection strings, one a line; blank lines and comments are skipped."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    found = [line for line in lines if line and not line.startswith("#")]
    return found if count is None else _enough(found, count, str(path))


def registered(owner: str, device_ids: Iterable[str]) -> list[str]:
    """Register devices in an IoT Hub (or find them there), with its owner's connection string.

    Needs azure-iot-hub, which is not installed with the simulator.
    """
    try:
        hub = importlib.import_module("azure.iot.hub")
        exceptions = importlib.import_module("msrest.exceptions")
    except ImportError as error:
        message = f"devices are registered with azure-iot-hub ({error}): pip install azure-iot-hub six"
        raise SimulatorError(message) from error
    registry = hub.IoTHubRegistryManager.from_connection_string(owner)
    host = dict(part.split("=", 1) for part in owner.split(";") if "=" in part)["HostName"]
    strings = []
    for name in device_ids:
        try:
            try:
                device = registry.get_device(name)
            except exceptions.HttpOperationError as error:
                if error.response.status_code != 404:
                    raise
                device = registry.create_device_with_sas(name, new_key(), new_key(), "enabled")
        except exceptions.ClientException as error:
            message = f"device {name} cannot be registered in {host}: {error}"
            raise SimulatorError(message) from error
        key = device.authentication.symmetric_key.primary_key
        strings.append(f"HostName={host};DeviceId={name};SharedAccessKey={key}")
    return strings


class Fleet:
    """Devices that send side by side.

    Args:
        plans: one for each.
        rate: messages a second of each; 0 is as fast as the hub takes them.
        cycles: the most messages of each; None is all.
        trust_bundle: the certificate of a gateway that no public authority vouches for.

    Attributes:
        sent: messages that the hub has acknowledged.
    """

    def __init__(
        self, plans: Sequence[Plan], *, rate: float = 1.0, cycles: int | None = None, trust_bundle: Path | None = None
    ) -> None:
        self.sent = 0
        self._plans = plans
        self._rate = rate
        self._cycles = cycles
        self._options = {"server_verification_cert": trust_bundle.read_text()} if trust_bundle else {}
        self._connecting = asyncio.Semaphore(MOST_CONNECTING)

    async def run(self) -> None:
        """Send everything; whatever ends this, the connections are closed in good order."""
        async with asyncio.TaskGroup() as group:
            for plan in self._plans:
                group.create_task(self._play(plan), name=plan.name)

    async def _play(self, plan: Plan) -> None:
        client_type, _, _ = _sdk()
        async with AsyncExitStack() as stack:
            client = client_type.create_from_connection_string(plan.connection_string, **self._options)
            stack.push_async_callback(client.shutdown)
            async with self._connecting:
                await client.connect()
            loop = asyncio.get_running_loop()
            start = loop.time()
            for number, telemetry in enumerate(islice(plan.telemetry, self._cycles)):
                if self._rate:
                    await asyncio.sleep(start + number / self._rate - loop.time())
                await self._send(client, plan.name, telemetry)
                self.sent += 1

    async def _send(self, client: Any, name: str, telemetry: dict[str, float]) -> None:  # noqa: ANN401 - SDK has no types
        _, message_type, exceptions = _sdk()
        message = message_type(json.dumps(telemetry), content_type="application/json", content_encoding="utf-8")
        # The same id however often it is sent, so that whoever receives it can tell a duplicate.
        message.message_id = f"{name}-{telemetry['CycleTime']}"
        while True:
            try:
                await client.send_message(message)
            except exceptions.ClientError as error:
                logger.warning("%s: %s; sending again", name, error)
                await asyncio.sleep(PAUSE)
            else:
                return


def _sdk() -> tuple[Any, Any, Any]:
    try:
        device = importlib.import_module("azure.iot.device")
        aio = importlib.import_module("azure.iot.device.aio")
    except ImportError as error:
        message = f"devices need Azure's SDK ({error}): pip install azure-iot-device"
        raise SimulatorError(message) from error
    return aio.IoTHubDeviceClient, device.Message, device.exceptions
