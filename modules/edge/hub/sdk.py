"""The private parts of azure-iot-device and paho-mqtt that a module depends on, and why.

The SDK acknowledges an input before anybody has seen it, keeps no bound on what waits, hands each message through four
threads, and can lose its network thread to a TLS error and then never return from a call. None of that can be mended
from outside, so this file reaches inside, and no other does. It finds the MQTT transport by `_mqtt_pipeline._pipeline`
and paho's client in it by `_mqtt_client`, and puts itself in four places:

- `on_mqtt_message_received_handler`: an input goes to the journal in the network thread, before its acknowledgement.
- `_send_puback`: what the journal did not take is not acknowledged, so that edgeHub keeps and repeats it.
- `_sock_send`, `_sock_recv`: a TLS error becomes the connection error that paho knows how to handle.
- `transport.publish`: an output goes to the network thread without the detour, at twice the rate.

It also looks at `_thread`, to see whether the network thread still lives, calls `_enable_feature` and looks at
`feature_enabled`, to subscribe without the setters' blocking wait, and makes topics by `mqtt_topic_iothub`.

Written for exactly the versions below; `check` refuses any other.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient
from azure.iot.device.common.mqtt_transport import MQTTTransport
from azure.iot.device.constant import TELEMETRY_MESSAGE_SIZE_LIMIT
from azure.iot.device.exceptions import ClientError, ServiceError
from azure.iot.device.iothub.pipeline import constant, mqtt_topic_iothub
from paho.mqtt import client as paho

VERSIONS = {"azure-iot-device": "2.14.0", "paho-mqtt": "1.6.1"}

# What edgeHub takes of a packet behind its fixed header: topic and body, their length and the packet's number.
PACKET_BYTES = TELEMETRY_MESSAGE_SIZE_LIMIT
PACKET_OVERHEAD = 4
# MQTT writes a topic's length in two bytes.
TOPIC_BYTES = 65_535
# Where neither paho nor a hub tells a topic from a filter.
WILDCARDS = "+#"

Take = Callable[[str, bytes], bool]
"""Called with an input's topic and body, in the network thread; True once it is stored."""


class UnknownSdkError(Exception):
    """The installed SDK is not the one whose private parts this module knows."""


class TwinRefusedError(Exception):
    """The hub has answered a request about the twin by a status that is no success.

    Attributes:
        status: The status: 4xx refuses what was asked, 429 and 5xx ask for patience.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the hub answered with status {status}")
        self.status = status


def check() -> None:
    """Refuse to run with another SDK than the one that this file was written for.

    Raises:
        UnknownSdkError: A version differs, or a private part is not where it was.
    """
    for package, expected in VERSIONS.items():
        if version(package) != expected:
            raise UnknownSdkError(
                f"{package} is {version(package)}, this module knows {expected} only; "
                "install from requirements/device.txt"
            )
    for name in ("_sock_send", "_sock_recv", "_send_puback", "_handle_publish"):
        if not callable(getattr(paho.Client, name, None)):
            raise UnknownSdkError(f"paho.mqtt.client.Client has no {name}; install from requirements/device.txt")
    if not callable(getattr(MQTTTransport, "publish", None)):
        raise UnknownSdkError("the SDK's MQTTTransport has no publish; install from requirements/device.txt")


def tap(client: IoTHubModuleClient, take: Take) -> None:
    """Hand every input to `take` before it is acknowledged, and acknowledge only what it took.

    What is no input goes on to the SDK. To be called after the client is made and before it connects.

    Raises:
        UnknownSdkError: The client has no MQTT transport where it should be.
    """
    transport = _transport(client)
    mqtt = transport._mqtt_client
    forward = transport.on_mqtt_message_received_handler
    acknowledge = mqtt._send_puback
    taken = True

    def handle(topic: str, payload: bytes) -> None:
        nonlocal taken
        if "/inputs/" not in topic:
            taken = True
            forward(topic, payload)
            return
        # Set first: should `take` raise, the SDK swallows the error, and what was not stored must not be acknowledged.
        taken = False
        taken = take(topic, payload)

    def send_puback(mid: int) -> Any:  # noqa: ANN401 - paho's return code
        return acknowledge(mid) if taken else paho.MQTT_ERR_SUCCESS

    transport.on_mqtt_message_received_handler = handle
    mqtt._send_puback = send_puback
    mqtt._sock_send = _connection_errors_only(mqtt._sock_send)
    mqtt._sock_recv = _connection_errors_only(mqtt._sock_recv)


async def send(client: IoTHubModuleClient, message: Message, output: str) -> None:
    """Send a message to one of the module's outputs; returns once edgeHub has acknowledged it.

    Args:
        client: Connected.
        message: The SDK's.
        output: The module's output.

    Raises:
        ValueError: It can never be sent: it is larger than IoT Hub takes, or its properties than a topic, or edgeHub
            would close the connection on it.
        Exception: The SDK's errors where the client is not connected, or loses its connection before the answer.
    """
    stage = _mqtt_stage(client)
    message.output_name = output
    topic = _topic(stage.nucleus.pipeline_configuration, message)
    _check_size(topic, message.data)
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()

    def settle(cancelled: bool) -> None:
        if answered.done():
            return
        if cancelled:
            answered.set_exception(ConnectionResetError("the connection was lost before the acknowledgement"))
        else:
            answered.set_result(None)

    # Called in the network thread.
    def on_answer(cancelled: bool = False) -> None:
        loop.call_soon_threadsafe(settle, cancelled)

    stage.transport.publish(topic=topic, payload=message.data, callback=on_answer)
    await answered


def is_alive(client: IoTHubModuleClient) -> bool:
    """Whether the client's network thread still runs; the SDK itself does not notice when it has ended."""
    thread = _transport(client)._mqtt_client._thread
    return thread is not None and thread.is_alive()


async def subscribe_inputs(client: IoTHubModuleClient) -> None:
    """Subscribe to inputs, without the setter's blocking wait for the hub's answer."""
    await client._enable_feature(constant.INPUT_MSG)


async def subscribe_twin(client: IoTHubModuleClient) -> None:
    """Subscribe to the twin's answers and patches, without the setter's blocking wait for the hub's answer."""
    for feature in (constant.TWIN, constant.TWIN_PATCHES):
        if not client._mqtt_pipeline.feature_enabled[feature]:
            await client._enable_feature(feature)


async def read_twin(client: IoTHubModuleClient) -> Any:  # noqa: ANN401 - whatever the hub has answered
    """The twin as the hub has answered it; where that is not JSON, the SDK never returns.

    Raises:
        TwinRefusedError: The hub refused.
        Exception: The SDK's errors where the connection is lost.
    """
    try:
        return await client.get_twin()
    except ClientError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


async def report(client: IoTHubModuleClient, properties: Mapping[str, Any]) -> None:
    """Patch the reported properties; returns once the hub has taken them.

    Raises:
        TwinRefusedError: The hub refused.
        Exception: The SDK's errors where the connection is lost.
    """
    try:
        await client.patch_twin_reported_properties(dict(properties))
    except ClientError as error:
        refusal = _refusal(error)
        if refusal is None:
            raise
        raise refusal from error


def _refusal(error: ClientError) -> TwinRefusedError | None:
    """The status behind the SDK's "Unexpected failure": it stands in the words of the cause and nowhere else."""
    found = re.search(r"returned status (\d+)", str(error.__cause__))
    return TwinRefusedError(int(found[1])) if isinstance(error.__cause__, ServiceError) and found else None


def _check_size(topic: str, body: bytes) -> None:
    """Refuse what paho would (it calls a topic that is too long one with wildcards), and what edgeHub closes on.

    Raises:
        ValueError: One of these.
    """
    if len(topic) > TOPIC_BYTES:
        raise ValueError(f"its properties make a topic of {len(topic)} bytes, MQTT takes {TOPIC_BYTES}")
    found = [each for each in WILDCARDS if each in topic]
    if found:
        raise ValueError(f"its topic holds {found[0]!r}, a wildcard of MQTT; rename the device or the module")
    packet = PACKET_OVERHEAD + len(topic) + len(body)
    if packet > PACKET_BYTES:
        raise ValueError(f"it makes a packet of {packet} bytes, edgeHub takes {PACKET_BYTES}")


def _topic(identity: Any, message: Message) -> str:  # noqa: ANN401 - a private class of the SDK
    base = mqtt_topic_iothub.get_telemetry_topic_for_publish(  # type: ignore[no-untyped-call]
        identity.device_id, identity.module_id
    )
    return str(mqtt_topic_iothub.encode_message_properties_in_topic(message, base))  # type: ignore[no-untyped-call]


def _mqtt_stage(client: IoTHubModuleClient) -> Any:  # noqa: ANN401 - a private class of the SDK
    stage = client._mqtt_pipeline._pipeline
    while stage is not None:
        if getattr(stage, "transport", None) is not None:
            return stage
        stage = stage.next
    raise UnknownSdkError(
        "the SDK's pipeline has no stage with an MQTT transport; install from requirements/device.txt"
    )


def _transport(client: IoTHubModuleClient) -> Any:  # noqa: ANN401 - a private class of the SDK
    return _mqtt_stage(client).transport


def _connection_errors_only(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Turn the TLS errors that paho does not expect into the one that it does."""

    def guarded(argument: Any) -> Any:  # noqa: ANN401 - bytes to send, or a number of bytes to receive
        try:
            return call(argument)
        except ssl.SSLError as error:
            raise ConnectionResetError(str(error)) from error

    return guarded
