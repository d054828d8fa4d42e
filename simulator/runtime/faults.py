"""Faults on command: what a test or a person does to a running runtime."""

from __future__ import annotations

from simulator.cloud.upstream import REFUSALS, Upstream
from simulator.errors import SimulatorError
from simulator.hub.client import Client
from simulator.hub.disturbance import ALL
from simulator.hub.hub import Hub


class Faults:
    """Acts on one runtime; a client is named by its module or device id, `*` is all of them."""

    def __init__(self, hub: Hub, upstream: Upstream) -> None:
        self._hub = hub
        self._upstream = upstream

    async def stop_hub(self, *, abrupt: bool = False) -> None:
        """Stop the hub; abruptly as if it were killed, with what it has not stored yet."""
        await self._hub.stop(abrupt=abrupt)

    async def start_hub(self) -> None:
        """Start it again, from its disk, at the same address."""
        await self._hub.start()

    def kick(self, client: str) -> None:
        """Close a client's connection in good order."""
        for peer in self._connected(client):
            if peer.connection is not None:
                peer.connection.drop("the fault `kick`")

    def cut(self, client: str, *, reset: bool = False) -> None:
        """End a client's TCP connection in the middle of a packet, without ending TLS; or reset it."""
        for peer in self._connected(client):
            if peer.connection is not None:
                peer.connection.cut(reset=reset)

    def withhold(self, client: str = ALL) -> None:
        """Store a client's messages, but do not acknowledge them."""
        self._hub.disturbance.withhold.add(client)

    def delay(self, seconds: float) -> None:
        """Acknowledge every message only so long after it is stored."""
        self._hub.disturbance.delay = seconds

    def forget(self, client: str) -> None:
        """Drop a client's session and connection: its subscriptions are gone."""
        self._hub.forget(client)

    def expire_tokens(self, seconds: float) -> None:
        """Let every token end so many seconds after its connection, for those there are now and later."""
        self._hub.disturbance.token_life = seconds
        for connection in list(self._hub.connections):
            connection.expire(seconds)

    def refuse(self, client: str = ALL) -> None:
        """Refuse a client's credentials when it connects next."""
        self._hub.disturbance.refuse.add(client)

    def choke(self, text: str) -> None:
        """Close a connection on every message that holds a text in its body or topic."""
        self._hub.disturbance.choke = text.encode()

    def refuse_reports(self, status: int, client: str = ALL) -> None:
        """Answer a client's reports of properties with a status, such as 429, and keep nothing of them."""
        self._hub.disturbance.report_status[client] = status

    def silence_twin(self, client: str = ALL) -> None:
        """Never answer a client that reads its twin or reports."""
        self._hub.disturbance.silent_twin.add(client)

    def delay_twin(self, seconds: float) -> None:
        """Answer whoever reads its twin only so much later."""
        self._hub.disturbance.twin_delay = seconds

    def garble_twin(self, text: str) -> None:
        """Answer whoever reads its twin with a text, in place of the twin."""
        self._hub.disturbance.garbled_twin = text.encode()

    def skew(self, seconds: float) -> None:
        """Set the hub's clock ahead (or, with a negative number, back)."""
        self._hub.disturbance.skew = seconds

    async def fill_disk(self, room: int = 0) -> None:
        """Let the hub's store grow by no more than so many bytes: then it is full."""
        await self._hub.limit_store(room)

    def offline(self) -> None:
        """Cut the hub off the cloud."""
        self._upstream.go_offline()

    def online(self) -> None:
        """Let it reach the cloud again."""
        self._upstream.go_online()

    def refuse_upstream(self, reason: str) -> None:
        """Let the cloud refuse messages: `throttled` or `quota`."""
        if reason not in REFUSALS:
            raise SimulatorError(f"the cloud refuses by {' or '.join(REFUSALS)}, not {reason!r}")
        self._upstream.refusal = reason

    async def clear(self) -> None:
        """End all faults: the hub runs, acknowledges at once, its clock is right, the cloud is there."""
        self._hub.disturbance.clear()
        self._upstream.refusal = None
        await self._hub.start()
        await self._hub.limit_store(None)
        self._upstream.go_online()

    def _connected(self, client: str) -> list[Client]:
        return self._hub.clients() if client == ALL else [self._hub.client(client)]
