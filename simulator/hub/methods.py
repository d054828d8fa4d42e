"""Direct methods: requests to a connected client, and its answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, NamedTuple
from urllib.parse import quote

from simulator.errors import MethodError
from simulator.hub import subscriptions
from simulator.hub.client import Client
from simulator.message import parse_properties
from simulator.mqtt.connection import Connection

# IoT Hub's limits: 128 KB a payload, an answer within 300 s; and no more than this many at once on one edge device.
LARGEST_PAYLOAD = 131_072
LONGEST_TIMEOUT = 300.0
MAX_PENDING = 1_000


class MethodResult(NamedTuple):
    """What a method answered."""

    status: int
    payload: Any


class Methods:
    """The method calls that wait for an answer."""

    def __init__(self) -> None:
        self._pending: dict[str, tuple[Connection, asyncio.Future[MethodResult]]] = {}
        self._last = 0
        self._subscribed = asyncio.Condition()

    async def invoke(
        self, peer: Client, name: str, payload: object, answer_within: float, connect_within: float = 0.0
    ) -> MethodResult:
        """Call a method of a client.

        Args:
            peer: The client's.
            name: Of the method.
            payload: Anything that JSON holds.
            answer_within: Seconds to wait for the answer.
            connect_within: Seconds to wait for the client to connect.

        Raises:
            MethodError: The client is away (404), too much is asked (400, 429), or no answer came (504).
        """
        body = json.dumps(payload).encode()
        if len(body) > LARGEST_PAYLOAD or not 0 < answer_within <= LONGEST_TIMEOUT:
            raise MethodError(
                400,
                400004,
                f"a payload of {len(body)} bytes and a time of {answer_within:g} s; "
                f"IoT Hub takes {LARGEST_PAYLOAD} bytes and {LONGEST_TIMEOUT:g} s at most",
            )
        if len(self._pending) >= MAX_PENDING:
            raise MethodError(429, 429001, f"{MAX_PENDING} method calls wait for answers already")
        connection = await self._connection(peer, connect_within)
        self._last += 1
        request = f"{self._last:x}"
        future: asyncio.Future[MethodResult] = asyncio.get_running_loop().create_future()
        self._pending[request] = (connection, future)
        peer.tell(f"{subscriptions.METHODS}{quote(name, safe='')}/?$rid={request}", body)
        try:
            return await asyncio.wait_for(future, answer_within)
        except TimeoutError:
            raise MethodError(
                504, 504101, f"{peer.identity.client_id} has not answered {name} within {answer_within:g} s"
            ) from None
        finally:
            del self._pending[request]

    async def _connection(self, peer: Client, connect_within: float) -> Connection:
        def reachable() -> bool:
            return peer.connection is not None and subscriptions.takes_methods(peer.subscriptions)

        async def wait() -> None:
            async with self._subscribed:
                await self._subscribed.wait_for(reachable)

        if not reachable() and connect_within > 0:
            with contextlib.suppress(TimeoutError):  # the check below says what is wrong
                await asyncio.wait_for(wait(), min(connect_within, LONGEST_TIMEOUT))
        if peer.connection is None or not reachable():
            raise MethodError(404, 404103, f"{peer.identity.client_id} is not connected, or takes no methods")
        return peer.connection

    async def subscribed(self) -> None:
        """A client has subscribed to something: those who wait for one look again."""
        async with self._subscribed:
            self._subscribed.notify_all()

    def answered(self, connection: Connection, topic: str, body: bytes) -> None:
        """A client has answered: `$iothub/methods/res/{status}/?$rid={request}`.

        Args:
            connection: By which it came.
            topic: With status and number.
            body: The answer.
        """
        status, _, bag = topic.removeprefix("$iothub/methods/res/").partition("/")
        request = parse_properties(bag).get("$rid", "")
        waiting = self._pending.get(request)
        # Answers that come too late, or from somebody else, are of no use to anyone.
        if waiting is None or waiting[0] is not connection or waiting[1].done():
            return
        try:
            waiting[1].set_result(MethodResult(int(status), json.loads(body or b"null")))
        except ValueError as error:
            waiting[1].set_exception(MethodError(502, 502001, f"the answer is not JSON with a status: {error}"))
