"""Leaf devices that send an engine's telemetry: to the simulator, to a gateway, or to an IoT Hub."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from scoring.model.file import read_signature
from scoring.wire.recording import is_table, read_cmapss, read_table
from simulator.engines import cmapss
from simulator.engines.wear import engines
from simulator.errors import SimulatorError
from simulator.identity import new_key

log = logging.getLogger(__name__)

# TLS handshakes at once: more only make each other time out.
MAX_CONNECTING = 20
# Before a message that could not be sent is sent again.
PAUSE = 1.0

# Before an engine's number: device ids as in the tutorial.
PREFIX = "Client_"

# What no connection string goes without, whether it holds a key or names certificates.
_NEEDED = ("HostName", "DeviceId")

Telemetry = Sequence[Mapping[str, float | None]]


class Plan(NamedTuple):
    """What one device does.

    Attributes:
        connection_string: How it connects.
        telemetry: What it sends, a message each.
    """

    connection_string: str
    telemetry: Telemetry

    @property
    def name(self) -> str:
        """The device id in the connection string."""
        return _fields(self.connection_string)["DeviceId"]

    @property
    def host(self) -> str:
        """What it connects to: the gateway, or the hub."""
        fields = _fields(self.connection_string)
        return fields.get("GatewayHostName", fields["HostName"])


def names(count: int) -> list[str]:
    """Device ids: Client_001, Client_002, ..."""
    return [f"{PREFIX}{number:03d}" for number in range(1, count + 1)]


def recorded(path: Path, model: Path | None, count: int) -> dict[str, Telemetry]:
    """What the first machines of a file sent, by their names, which are Client_001 ... where the file has numbers.

    Args:
        path: A C-MAPSS file, or a task's own table (`.csv`); either may be in .gz.
        model: The model that a table is for.
        count: How many machines.
    """
    if not is_table(path):
        recording = read_cmapss(path, PREFIX)
    elif model is None:
        raise SimulatorError(f"{path} is a table; give --model, the model whose fields it has")
    else:
        recording = read_table(path, read_signature(model), names(1)[0])
    found = _enough(list(enumerate(recording.machines)), count, str(path))
    return {name: list(recording.messages_of(number)) for number, name in found}


def simulated(subset: str, count: int, seed: int) -> dict[str, Telemetry]:
    """The telemetry of engines that are worn out here and now, by their names.

    Args:
        subset: Such as FD003.
        count: How many engines.
        seed: Another one gives other engines.
    """
    worn_out = engines(subset, count, seed)
    return {name: list(cmapss.telemetry(engine)) for name, engine in zip(names(count), worn_out, strict=True)}


def _enough(found: list[Any], count: int, where: str) -> list[Any]:
    if len(found) < count:
        raise SimulatorError(f"{where} has {len(found)}, not the {count} that are needed; ask for fewer devices")
    return found[:count]


def _fields(connection_string: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in connection_string.split(";") if "=" in part)


def listed(path: Path, count: int | None) -> list[str]:
    """Connection strings, one a line; blank lines and comments are skipped."""
    found = []
    for number, line in enumerate(map(str.strip, path.read_text(encoding="utf-8-sig").splitlines()), start=1):
        if not line or line.startswith("#"):
            continue
        missing = [name for name in _NEEDED if not _fields(line).get(name)]
        if missing:
            # Not the line itself: it may hold a key.
            raise SimulatorError(
                f"{path}, line {number}: no {' and no '.join(missing)}; "
                "a device's connection string is HostName=..;DeviceId=..;SharedAccessKey=.."
            )
        found.append(line)
    return found if count is None else _enough(found, count, str(path))


def registered(owner: str, device_ids: Iterable[str]) -> list[str]:
    """Register devices in an IoT Hub (or find them there), with its owner's connection string.

    Needs azure-iot-hub, which is not installed with the simulator.
    """
    try:
        hub = importlib.import_module("azure.iot.hub")
        exceptions = importlib.import_module("msrest.exceptions")
    except ImportError as error:
        raise SimulatorError(
            f"devices are registered with azure-iot-hub ({error}): pip install azure-iot-hub six"
        ) from error
    try:
        registry = hub.IoTHubRegistryManager.from_connection_string(owner)
    except (ValueError, KeyError) as error:
        raise SimulatorError(
            "the hub owner's connection string is HostName=..;SharedAccessKeyName=..;SharedAccessKey=.."
        ) from error
    host = _fields(owner)["HostName"]
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
            raise SimulatorError(f"device {name} cannot be registered in {host}: {error}") from error
        key = device.authentication.symmetric_key.primary_key
        strings.append(f"HostName={host};DeviceId={name};SharedAccessKey={key}")
    return strings


class Fleet:
    """Devices that send side by side.

    Args:
        plans: One for each.
        rate: Messages a second of each; 0 is as fast as the hub takes them.
        cycles: The most messages of each; None is all.
        trust_bundle: The certificate of a gateway that no public authority vouches for.

    Attributes:
        sent: Messages that the hub has acknowledged.
    """

    def __init__(
        self, plans: Sequence[Plan], *, rate: float = 1.0, cycles: int | None = None, trust_bundle: Path | None = None
    ) -> None:
        self.sent = 0
        self._plans = plans
        self._rate = rate
        self._cycles = cycles
        self._options = {"server_verification_cert": trust_bundle.read_text()} if trust_bundle else {}
        self._connecting = asyncio.Semaphore(MAX_CONNECTING)

    async def run(self) -> None:
        """Send everything; whatever ends this, the connections are closed in good order.

        Raises:
            SimulatorError: A device cannot connect.
        """
        try:
            async with asyncio.TaskGroup() as group:
                for plan in self._plans:
                    group.create_task(self._play(plan), name=plan.name)
        except ExceptionGroup as ended:
            known, others = ended.split(SimulatorError)
            if known is None or others is not None:
                raise
            # The others have the same cause, or will tell it at the next try.
            raise known.exceptions[0] from None

    async def _play(self, plan: Plan) -> None:
        client_type, _, exceptions = _sdk()
        async with AsyncExitStack() as stack:
            try:
                client = client_type.create_from_connection_string(plan.connection_string, **self._options)
                stack.push_async_callback(client.shutdown)
                async with self._connecting:
                    await client.connect()
            except (exceptions.ClientError, ValueError, OSError) as error:
                # An SSLError, which a damaged certificate causes, is an OSError; the SDK's own say why in their cause.
                raise SimulatorError(
                    f"{plan.name} cannot connect to {plan.host}: {error.__cause__ or error}"
                ) from error
            loop = asyncio.get_running_loop()
            start = loop.time()
            for number, telemetry in enumerate(islice(plan.telemetry, self._cycles), start=1):
                if self._rate:
                    await asyncio.sleep(start + (number - 1) / self._rate - loop.time())
                # The same id however often it is sent, so that whoever receives it can tell a duplicate.
                await self._send(client, f"{plan.name}-{number}", telemetry)
                self.sent += 1

    async def _send(self, client: Any, message_id: str, telemetry: Mapping[str, float | None]) -> None:  # noqa: ANN401 - SDK has no types
        _, message_type, exceptions = _sdk()
        message = message_type(json.dumps(telemetry), content_type="application/json", content_encoding="utf-8")
        message.message_id = message_id
        while True:
            try:
                await client.send_message(message)
            except exceptions.ClientError as error:
                log.warning("%s: %s; sending again", message_id, error)
                await asyncio.sleep(PAUSE)
            else:
                return


def _sdk() -> tuple[Any, Any, Any]:
    try:
        device = importlib.import_module("azure.iot.device")
        aio = importlib.import_module("azure.iot.device.aio")
    except ImportError as error:
        raise SimulatorError(f"devices need Azure's SDK ({error}): pip install azure-iot-device") from error
    return aio.IoTHubDeviceClient, device.Message, device.exceptions
