"""A module for the tests: sends what it gets on input `in` to output `out`, and ends when it is told to."""

import asyncio
import os
import signal
import sys

from azure.iot.device import Message, MethodResponse
from azure.iot.device.aio import IoTHubModuleClient


async def main() -> None:
    client = IoTHubModuleClient.create_from_edge_environment()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)

    async def echo(received):
        message = Message(received.data, content_type="application/json", content_encoding="utf-8")
        message.message_id = received.message_id
        message.correlation_id = received.correlation_id
        await client.send_message_to_output(message, "out")

    async def answer(request):
        payload = {"pid": os.getpid(), "payload": request.payload, "name": os.environ.get("NAME")}
        await client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))

    # Before connecting: the hub remembers the subscription, and sends what has waited as soon as the module is there.
    client.on_message_received = echo
    client.on_method_request_received = answer
    await client.connect()
    sys.stdout.write(f"ready {os.getpid()}\n")
    sys.stdout.flush()
    await ended.wait()
    await client.shutdown()


asyncio.run(main())
