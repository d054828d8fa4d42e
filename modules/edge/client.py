"""A module's connection to edgeHub, which comes back by itself.

Each connection is a new client of the SDK, from its first byte to its last: after a loss nothing of the old one is
relied on, neither that it still reconnects, nor that edgeHub remembers its subscriptions, nor that its calls return.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Any

from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient

from modules.edge import sdk
from modules.edge.message import JSON_TYPE, OutputMessage
from modules.edge.twin import Twin

log = logging.getLogger(__name__)

# edgeHub waits 30 s for an acknowledgement before it repeats; a call that takes twice that has lost its answer.
CALL_SECONDS = 60.0
# The SDK does not notice the end of its own network thread; this is how long nobody else does.
PULSE_SECONDS = 5.0
# edgeHub's own backoff towards the cloud: 1 s, doubled to a minute.
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 60.0
# What a lost client gets to end; after that it is left to itself.
CLOSE_SECONDS = 5.0
CLOSE_TRIES = 3


class EdgeClient:
    """Keeps a module connected, sends its messages until they are acknowledged, and answers its twin.

    Attributes:
        connections: How often a connection was made.
        stuck: How many lost clients did not end in their time; their threads would keep the process from ending.
    """

    def __init__(self, take: sdk.Take, twin: Twin) -> None:
        """Prepare a connection that `run` makes.

        Args:
            take: Called with each input's topic and body, in the network thread; True once it is stored.
            twin: Puts desired properties to use.
        """
        self.connections = 0
        self.stuck = 0
        self._take = take
        self._twin = twin
        self._client: IoTHubModuleClient | None = None
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._complaint = ""
        self._reports: set[asyncio.Future[None]] = set()

    @property
    def is_connected(self) -> bool:
        """Whether messages can leave now."""
        return self._up.is_set()

    async def run(self) -> None:
        """Stay connected until cancelled; then disconnect."""
        retry = FIRST_RETRY_SECONDS
        while True:
            if await self._hold_connection():
                retry = FIRST_RETRY_SECONDS
            # Spread, so that ten thousand devices do not come back in step.
            await asyncio.sleep(retry * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            retry = min(2 * retry, LAST_RETRY_SECONDS)

    async def send(self, message: OutputMessage) -> None:
        """Send a message; returns once edgeHub has acknowledged it, however long that takes.

        Raises:
            ValueError: The message is larger than IoT Hub takes.
        """
        await self._until_done(lambda client: sdk.send(client, _sdk_message(message), message.output))

    async def report(self, properties: dict[str, Any]) -> None:
        """Patch the reported properties; returns once edgeHub has acknowledged them."""
        if properties:
            await self._until_done(lambda client: client.patch_twin_reported_properties(properties))

    async def _until_done(self, call: Callable[[IoTHubModuleClient], Awaitable[None]]) -> None:
        """Make a call of the SDK, again on each new connection, until one of them ends well."""
        while True:
            await self._up.wait()
            client = self._client
            if client is None:
                # Lost again before this task had its turn.
                continue
            try:
                # Not wait_for, which would make a task for each message.
                async with asyncio.timeout(CALL_SECONDS):
                    await call(client)
            except ValueError:
                raise
            except Exception as error:  # noqa: BLE001 - the SDK raises classes without a common base
                self._lose(client, f"a call was not answered: {_chain(error)}")
            else:
                return

    async def _hold_connection(self) -> bool:
        """Make a connection and hold it until it is lost; False if none could be made."""
        client = None
        entered = False
        self._lost.clear()
        try:
            # The constructor asks the workload API, and blocks while it waits.
            client = await asyncio.wait_for(asyncio.to_thread(_new_client), CALL_SECONDS)
            sdk.tap(client, self._take)
            await asyncio.wait_for(self._enter(client), CALL_SECONDS)
            entered = True
            await self._until_lost(client)
        except sdk.UnknownSdkError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK, requests and ssl raise without a common base
            self._complain(f"cannot connect to edgeHub: {_chain(error)}")
        finally:
            self._up.clear()
            self._client = None
            if client is not None:
                await self._close(client)
        return entered

    async def _enter(self, client: IoTHubModuleClient) -> None:
        loop = asyncio.get_running_loop()

        # Both are called in threads of the SDK's.
        def on_state_change(_: None = None) -> None:
            loop.call_soon_threadsafe(self._on_state_change, client)

        def on_patch(patch: dict[str, Any]) -> None:
            loop.call_soon_threadsafe(lambda: self._on_desired(patch, full=False))

        client.on_connection_state_change = on_state_change
        await client.connect()
        await sdk.enable_features(client)
        # Read before patches are listened to: what changed while the connection was away is not repeated.
        twin = await client.get_twin()
        client.on_twin_desired_properties_patch_received = on_patch
        if not client.connected:
            raise ConnectionResetError("the connection was lost while it was made")
        self._client = client
        self.connections += 1
        self._complaint = ""
        self._up.set()
        log.info("connected to edgeHub, connection %d", self.connections)
        self._on_desired(twin["desired"], full=True)

    async def _until_lost(self, client: IoTHubModuleClient) -> None:
        while not self._lost.is_set():
            try:
                await asyncio.wait_for(self._lost.wait(), PULSE_SECONDS)
            except TimeoutError:
                if not sdk.is_alive(client):
                    self._lose(client, "the SDK's network thread has ended")

    def _on_desired(self, desired: dict[str, Any], *, full: bool) -> None:
        task = asyncio.ensure_future(self.report(self._twin.apply(desired, full=full)))
        # The loop itself holds tasks only weakly.
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)

    def _on_state_change(self, client: IoTHubModuleClient) -> None:
        if not client.connected:
            self._lose(client, "the connection was closed")

    def _lose(self, client: IoTHubModuleClient, why: str) -> None:
        if client is self._client and not self._lost.is_set():
            log.warning("connection %d to edgeHub is lost: %s", self.connections, why)
            self._up.clear()
            self._lost.set()

    def _complain(self, complaint: str) -> None:
        """Log a complaint once, not at each of the retries that end in it again."""
        if complaint != self._complaint:
            log.warning("%s; trying on", complaint)
            self._complaint = complaint

    async def _close(self, client: IoTHubModuleClient) -> None:
        client.on_connection_state_change = None  # type: ignore[assignment]
        for _ in range(CLOSE_TRIES):
            try:
                await asyncio.wait_for(client.shutdown(), CLOSE_SECONDS)
            except TimeoutError:
                break
            except Exception as error:  # noqa: BLE001 - the SDK raises classes without a common base
                # A connection that is being lost at this moment cannot be closed, and a moment later it can.
                log.debug("a client of the SDK did not end: %s", _chain(error))
                await asyncio.sleep(CLOSE_SECONDS / CLOSE_TRIES / 10)
            else:
                return
        self.stuck += 1
        log.warning("a client of the SDK did not end and is left to itself")


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


def _chain(error: BaseException) -> str:
    """An error with what caused it: the SDK says "unexpected failure" and keeps the reason in the cause."""
    causes = []
    cause: BaseException | None = error
    while cause is not None:
        causes.append(str(cause) or type(cause).__name__)
        cause = cause.__cause__
    return ", because ".join(causes)
