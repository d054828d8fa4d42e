"""One connection to edgeHub: a client of the SDK from its first byte to its last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

from modules.edge.hub import sdk
from modules.edge.hub.message import JSON_TYPE, OutputMessage
from modules.edge.hub.sender import ConnectionLostError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

# edgeHub waits 30 s for an acknowledgement before it repeats; a call that takes twice that has lost its answer.
CALL_SECONDS = 60.0
# The SDK does not notice the end of its own network thread; this is how long nobody else does.
PULSE_SECONDS = 5.0
# What a lost client gets to end; after that it is left to itself.
CLOSE_SECONDS = 5.0
CLOSE_TRIES = 3


class HubConnection:
    """A connection that stands until it is lost, and then never again.

    Attributes:
        client: The SDK's client.
        carried: How many messages have been acknowledged.
        was_answer: Whether its loss came while nothing but one send of ours was without an answer.
        proof: How much its loss says of the message that was alone on it: how many it carried before, 0 where a
            report was without an answer too.
    """

    def __init__(self, client: IoTHubModuleClient) -> None:
        self.client = client
        self.carried = 0
        self.was_answer = False
        self.proof = 0
        self._lost = asyncio.Event()
        self._why = ""
        self._sends = 0
        self._reports = 0
        self._is_alone = False
        self._companions: set[asyncio.Task[Any]] = set()

    @classmethod
    async def make(cls, take: sdk.Take) -> HubConnection:
        """A client that has not connected yet; it hands inputs to `take`."""
        # The constructor asks the workload API, and blocks while it waits.
        client = await asyncio.wait_for(asyncio.to_thread(_new_client), CALL_SECONDS)
        sdk.tap(client, take)
        return cls(client)

    @property
    def is_lost(self) -> bool:
        """Whether it has ended."""
        return self._lost.is_set()

    async def enter(self) -> None:
        """Connect, and subscribe to inputs: from then on messages come and go."""
        loop = asyncio.get_running_loop()

        # Called in a thread of the SDK's.
        def on_state_change(_: None = None) -> None:
            loop.call_soon_threadsafe(self._on_state_change)

        self.client.on_connection_state_change = on_state_change
        async with asyncio.timeout(CALL_SECONDS):
            await self.client.connect()
            await sdk.subscribe_inputs(self.client)
        if not self.client.connected:
            raise ConnectionResetError("the connection was lost while it was made")

    async def send(self, message: OutputMessage, *, alone: bool) -> None:
        """Send a message; returns once it is acknowledged.

        Raises:
            ValueError: It can never be sent.
            ConnectionLostError: The connection ended before.
        """
        if self.is_lost:
            raise ConnectionLostError(0)
        self._sends += 1
        self._is_alone = alone
        try:
            # Not wait_for, which would make a task for each message.
            async with asyncio.timeout(CALL_SECONDS):
                await sdk.send(self.client, _sdk_message(message), message.output)
        except ValueError:
            raise
        except (ConnectionResetError, TimeoutError) as error:
            self.lose(f"a call was not answered: {chain(error)}")
            raise ConnectionLostError(self.proof) from error
        except Exception as error:
            # It did not leave at all.
            self.lose(f"a message cannot leave: {chain(error)}")
            raise ConnectionLostError(0) from error
        else:
            self.carried += 1
        finally:
            self._sends -= 1
            self._is_alone = False

    async def report(self, properties: Mapping[str, Any]) -> None:
        """Patch the reported properties; returns once the hub has taken them.

        Raises:
            TwinRefusedError: The hub does not take them.
            TimeoutError: It does not answer.
            Exception: The SDK's errors where the connection is lost.
        """
        self._reports += 1
        try:
            call = self.accompany(sdk.report(self.client, properties))
            await asyncio.wait([call], timeout=CALL_SECONDS)
            if not call.done():
                raise TimeoutError(f"the hub has not answered a report for {CALL_SECONDS:g} s")
            call.result()
        finally:
            self._reports -= 1

    def accompany(self, call: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Let something run for as long as the connection does.

        A call of the SDK's is not cancelled before: its answer would still come, and find nobody.
        """
        task = asyncio.create_task(call)
        self._companions.add(task)
        task.add_done_callback(self._part)
        return task

    def _part(self, task: asyncio.Task[Any]) -> None:
        self._companions.discard(task)
        if not task.cancelled():
            # Looked at, so that nothing complains where the one who waited has given up.
            task.exception()

    async def until_lost(self) -> str:
        """Wait for the end of the connection; return why."""
        while not self._lost.is_set():
            try:
                await asyncio.wait_for(self._lost.wait(), PULSE_SECONDS)
            except TimeoutError:
                if not sdk.is_alive(self.client):
                    self.lose("the SDK's network thread has ended")
        return self._why

    def lose(self, why: str) -> None:
        """Give the connection up."""
        if not self._lost.is_set():
            self._why = why
            self.was_answer = self._is_alone or (self._reports > 0 and not self._sends)
            self.proof = 0 if self._reports else self.carried
            self._lost.set()

    async def close(self) -> bool:
        """End the client; False if it does not end and is left to itself."""
        self.lose("it is closed")
        self.client.on_connection_state_change = None  # type: ignore[assignment]
        try:
            return await self._shut_down()
        finally:
            for each in self._companions:
                each.cancel()

    async def _shut_down(self) -> bool:
        for _ in range(CLOSE_TRIES):
            try:
                await asyncio.wait_for(self.client.shutdown(), CLOSE_SECONDS)
            except TimeoutError:
                break
            except Exception as error:  # noqa: BLE001 - the SDK raises classes without a common base
                # A connection that is being lost at this moment cannot be closed, and a moment later it can.
                log.debug("a client of the SDK did not end: %s", chain(error))
                await asyncio.sleep(CLOSE_SECONDS / CLOSE_TRIES / 10)
            else:
                return True
        log.warning("a client of the SDK did not end and is left to itself")
        return False

    def _on_state_change(self) -> None:
        if not self.client.connected:
            self.lose("the connection was closed")


def _new_client() -> IoTHubModuleClient:
    return IoTHubModuleClient.create_from_edge_environment(auto_connect=False, connection_retry=False)


def _sdk_message(message: OutputMessage) -> Message:
    sdk_message = Message(  # type: ignore[no-untyped-call]
        message.body,
        message_id=message.message_id,
        content_type=message.content_type,
        content_encoding="utf-8" if message.content_type == JSON_TYPE else None,
    )
    sdk_message.correlation_id = message.correlation_id or None
    sdk_message.custom_properties = dict(message.properties)
    return sdk_message


def chain(error: BaseException) -> str:
    """An error with what caused it: the SDK says "unexpected failure" and keeps the reason in the cause."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause) or type(cause).__name__)
        cause = cause.__cause__
    return ", because ".join(causes)
