"""The private parts of azure-iot-device and paho-mqtt that a module depends on, and why.

The SDK acknowledges an input before anybody has seen it, keeps no bound on what waits, hands each message through four
threads, and can lose its network thread to a TLS error and then never return from a call. None of that can be mended
from outside, so this file reaches inside, at four places, and at nothing else:

- `on_mqtt_message_received_handler`: an input goes to the journal in the network thread, before its acknowledgement.
- `_send_puback`: what the journal did not take is not acknowledged, so that edgeHub keeps and repeats it.
- `_sock_send`, `_sock_recv`: a TLS error becomes the connection error that paho knows how to handle.
- `transport.publish`: an output goes to the network thread without the detour, at twice the rate.

Written for exactly the versions below; `check` refuses any other.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient
from azure.iot.device.common.mqtt_transport import MQTTTransport
from azure.iot.device.constant import TELEMETRY_MESSAGE_SIZE_LIMIT
from azure.iot.device.iothub.pipeline import constant, mqtt_topic_iothub
from paho.mqtt import client as paho

VERSIONS = {"azure-iot-device": "2.14.0", "paho-mqtt": "1.6.1"}

FEATURES = (constant.INPUT_MSG, constant.TWIN, constant.TWIN_PATCHES)

Take = Callable[[str, bytes], bool]
"""Called with an input's topic and body, in the network thread; True once it is stored."""


class UnknownSdkError(Exception):
    """The installed SDK is not the one whose private parts this module knows."""


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

    Raises:
        ValueError: It is larger than IoT Hub takes.
        Exception: The SDK's errors where the client is not connected, or loses its connection before the answer.
    """
    if message.get_size() > TELEMETRY_MESSAGE_SIZE_LIMIT:
        raise ValueError(f"it has {message.get_size()} bytes, IoT Hub takes {TELEMETRY_MESSAGE_SIZE_LIMIT}")
    stage = _mqtt_stage(client)
    message.output_name = output
    topic = _topic(stage.nucleus.pipeline_configuration, message)
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


async def enable_features(client: IoTHubModuleClient) -> None:
    """Subscribe to inputs and twin, without the setters' blocking wait for the hub's answer."""
    for feature in FEATURES:
        await client._enable_feature(feature)


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
