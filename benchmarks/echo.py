"""A module as the SDK's examples have it: answers each input from its handler, without journal, history or model."""

from __future__ import annotations

import asyncio

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

# As long as a prediction.
ANSWER = b'{"answer":"' + b"x" * 300 + b'"}'


async def main() -> None:
    client = IoTHubModuleClient.create_from_edge_environment()
    await client.connect()

    async def answer(message: Message) -> None:
        reply = Message(ANSWER, content_type="application/json", content_encoding="utf-8")
        reply.message_id = reply.correlation_id = message.message_id
        await client.send_message_to_output(reply, "predictions")

    client.on_message_received = answer
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
