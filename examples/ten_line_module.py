"""A module in ten lines of code: what comes in goes out in capital letters, on the output `loud`."""

import asyncio

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient


async def main() -> None:
    """Connect (which setting the handler does), and serve until the process is ended."""
    client = IoTHubModuleClient.create_from_edge_environment()

    async def shout(message: Message) -> None:
        await client.send_message_to_output(message.data.decode().upper(), "loud")

    client.on_message_received = shout
    await asyncio.Event().wait()


asyncio.run(main())
