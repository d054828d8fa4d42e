"""The edge hub: sessions, routing, store and forward, twins and methods over MQTT."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from simulator.cloud.twin import TwinError, parse_patch
from simulator.cloud.upstream import Upstream
from simulator.database import Database, Done
from simulator.errors import DroppedError, ProtocolError, SimulatorError
from simulator.hub import queue, subscriptions
from simulator.hub.client import EDGE_HUB, Client, Terms
from simulator.hub.disturbance import Disturbance
from simulator.hub.methods import MethodResult, Methods
from simulator.hub.queue import EndpointQueue, Item
from simulator.hub.uplink import Uplink
from simulator.identity import Identity, TokenError, check_key, check_token, is_name, new_key
from simulator.message import Message, from_topic, raw_property, twin_change
from simulator.mqtt import packets
from simulator.mqtt.connection import Connection
from simulator.mqtt.packets import Connect, Publish, Subscribe, Unsubscribe, Will
from simulator.routing.routes import UPSTREAM, Delivery, Router

log = logging.getLogger(__name__)

TWIN_GET = "$iothub/twin/GET/"
TWIN_REPORT = "$iothub/twin/PATCH/properties/reported/"
METHOD_ANSWER = "$iothub/methods/res/"
# Far more than one edge device serves; keeps a loop that registers clients from eating the memory.
MAX_CLIENTS = 10_000
# How often messages are looked for that have outlived their time and that nobody comes for.
SWEEP = 60.0
# SQLite's own limit: no limit.
MAX_PAGES = 0xFFFFFFFE

SCHEMA = (
    queue.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS clients (
    client TEXT PRIMARY KEY, device TEXT, module TEXT, key TEXT, generation TEXT
);
CREATE TABLE IF NOT EXISTS sessions (client TEXT PRIMARY KEY, subscriptions TEXT);
"""
)


class EdgeDevice(NamedTuple):
    """The IoT Hub's host name, and the edge device's id in it."""

    hub: str
    device: str


class Hub:
    """The edge hub of one device.

    Args:
        home: The folder for `hub.sqlite3`.
        edge: The IoT Hub's host name, and the edge device's id.
        router: The routes.
        upstream: The cloud's end.
        terms: On which it delivers.

    Attributes:
        connections: All that are open, or about to close.
        disturbance: What is made to go wrong.
        unrouted: Messages that no route took.
        malformed: Messages that were acknowledged and dropped.
    """

    def __init__(
        self,
        home: Path,
        edge: EdgeDevice,
        router: Router,
        upstream: Upstream,
        terms: Terms = EDGE_HUB,
    ) -> None:
        self.name, self.device = edge
        self.router = router
        self.upstream = upstream
        self.disturbance = Disturbance()
        self.connections: set[Connection] = set()
        self.unrouted = 0
        self.malformed = 0
        self._store = Database(home / "hub.sqlite3", SCHEMA)
        self._terms = terms
        self._clients: dict[str, Client] = {}
        self._link = Uplink(upstream, self.disturbance.now)
        self._upstream_queue: EndpointQueue | None = None
        self._methods = Methods()
        self._server: asyncio.Server | None = None
        self._address = ""
        self._context: ssl.SSLContext | None = None
        self._last_seq = 0
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    # Life

    async def open(self) -> None:
        """Open the store and read what a former life has left in it."""
        await self._store.open()
        await self._load()

    async def listen(self, address: str, context: ssl.SSLContext) -> None:
        """Listen on an address; raises OSError if its port is taken."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            address,
            packets.PORT,
            ssl=context,
            ssl_handshake_timeout=10,
            ssl_shutdown_timeout=5,
            backlog=512,
        )
        self._address, self._context = address, context

    @property
    def running(self) -> bool:
        """Whether clients can connect."""
        return self._server is not None

    async def stop(self, *, abrupt: bool = False) -> None:
        """Stop: connections end, what waits stays on disk.

        Args:
            abrupt: As if the process were killed: what has not been stored yet is lost, unacknowledged.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in list(self.connections):
            connection.abort()
        await self._link.stop()
        for peer in self._clients.values():
            peer.detach()
        await (self._store.drop() if abrupt else self._store.close())
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def start(self) -> None:
        """Start again after `stop`, from what the disk holds."""
        if self._context is None:
            raise SimulatorError("the hub has not listened yet; it has no address to start on")
        if not self.running:
            await self.open()
            await self.listen(self._address, self._context)

    async def _load(self) -> None:
        clients = await self._store.run(
            lambda db: db.execute("SELECT device, module, key, generation FROM clients").fetchall()
        )
        sessions = await self._store.run(lambda db: db.execute("SELECT * FROM sessions").fetchall())
        waiting = await self._store.run(
            lambda db: db.execute("SELECT endpoint, count(*), max(seq) FROM queue GROUP BY endpoint").fetchall()
        )
        lengths = {endpoint: count for endpoint, count, _ in waiting}
        self._last_seq = max((last for _, _, last in waiting), default=0)
        self._clients.clear()
        for device, module, key, generation in clients:
            self._add_client(Identity(device, module, key, generation), lengths)
        for client, filters in sessions:
            self._clients[client].subscriptions = json.loads(filters)
            self._clients[client].session = True
        self._upstream_queue = EndpointQueue(self._store, UPSTREAM, lengths.get(UPSTREAM, 0), self._link.ready)
        for route in self.router.routes:
            # Messages for a module that is not deployed yet wait for it.
            if route.sink.module is not None:
                self.register(self.device, route.sink.module)
        self._link.start(self._upstream_queue)
        self._sweep()

    async def limit_store(self, room: int | None) -> None:
        """Let the store grow by no more than `room` bytes; without a limit if None."""

        def limit(db: sqlite3.Connection) -> None:
            size = db.execute("PRAGMA page_size").fetchone()[0]
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {MAX_PAGES if room is None else pages + room // size}")

        await self._store.run(limit)

    def _sweep(self) -> None:
        now = self.disturbance.now()
        for peer in self._clients.values():
            peer.queue.sweep(now)
        if self._upstream_queue is not None:
            self._upstream_queue.sweep(now)
        self._sweeping = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    # Identities

    def _add_client(self, identity: Identity, lengths: dict[str, int]) -> None:
        peer = Client(identity, self.disturbance, self._terms)
        name = identity.client_id
        peer.queue = EndpointQueue(self._store, name, lengths.get(name, 0), peer.pump)
        self._clients[name] = peer

    def register(self, device: str, module: str | None = None, key: str | None = None) -> Identity:
        """Make an identity, or return the one that is there (with the key given, if one is).

        Args:
            device: Its id.
            module: The module's, if it is one.
            key: Signs its tokens; None: the one that it has, or a new one.
        """
        if not device or not is_name(device + (module or "")):
            raise SimulatorError(
                f"{device!r} {module!r} is no identity: names are text without / + # and are not empty"
            )
        known = self._clients.get(f"{device}/{module}" if module else device)
        if known is not None and key in {None, known.identity.key}:
            return known.identity
        if not self._store.is_open:
            raise SimulatorError(f"the hub is stopped; start it before {module or device} is registered")
        if len(self._clients) >= MAX_CLIENTS:
            raise SimulatorError(f"{MAX_CLIENTS} identities are registered; that is as many as the hub keeps")
        identity = Identity(device, module, new_key() if key is None else check_key(key), secrets.token_hex(8))
        if known is None:
            self._add_client(identity, {})
        else:
            known.identity = identity
        self._store.write(
            "REPLACE INTO clients VALUES (?, ?, ?, ?, ?)",
            (identity.client_id, device, module, identity.key, identity.generation),
        )
        return identity

    def client(self, name: str) -> Client:
        """A client by its client id, or a module of this device by its name."""
        found = self._clients.get(name) or self._clients.get(f"{self.device}/{name}")
        if found is None:
            known = ", ".join(self._clients) or "none"
            raise SimulatorError(f"there is no client {name!r}; known are {known}")
        return found

    def clients(self) -> list[Client]:
        """All clients that are registered."""
        return list(self._clients.values())

    @property
    def upstream_pending(self) -> int:
        """How many messages wait for upstream."""
        return self._upstream_queue.length if self._upstream_queue else 0

    @property
    def expired(self) -> int:
        """How many messages have outlived their time to live since the hub started."""
        queues = [peer.queue for peer in self._clients.values()]
        return sum(each.expired for each in queues) + (self._upstream_queue.expired if self._upstream_queue else 0)

    # Connections

    def admit(self, packet: Connect) -> tuple[Identity, float]:
        """Who a CONNECT is from, and for how many seconds it is good.

        Raises:
            TokenError: The client is not let in; the message says why.
        """
        peer = self._clients.get(packet.client_id)
        if peer is None:
            raise TokenError("no such identity is registered")
        identity = peer.identity
        user = unquote(packet.user_name or "").lower()
        if not user.startswith(f"{self.name}/{identity.client_id}/".lower()):
            raise TokenError(f"the user name {packet.user_name!r} is for another hub or client")
        if "api-version=" not in user:
            raise TokenError(f"the user name {packet.user_name!r} has no api-version")
        if self.disturbance.refuses(identity.module or identity.device):
            raise TokenError("the fault `refuse` is on")
        return identity, self.check((packet.password or b"").decode("utf-8", "replace"), identity)

    def check(self, text: str, identity: Identity) -> float:
        """Check a token and return for how many seconds it is good.

        Raises:
            TokenError: It does not let its bearer in.
        """
        now = self.disturbance.now()
        life = check_token(text, identity, self.name, now) - now
        return life if self.disturbance.token_life is None else min(life, self.disturbance.token_life)

    def attach(self, connection: Connection, identity: Identity, *, clean: bool) -> bool:
        """A client has been let in; return whether it has a session to come back to.

        Args:
            connection: By which the client has come.
            identity: Who it is.
            clean: It wants no session: nothing that was, and nothing kept.
        """
        peer = self._clients[identity.client_id]
        former = peer.connection
        peer.connection = connection
        if former is not None:
            former.drop("the same client has connected anew")
        present = peer.session and not clean
        if not present:
            peer.subscriptions = {}
        peer.session = not clean
        self._keep_session(peer, peer.subscriptions)
        self._notify()
        return present

    def detached(self, connection: Connection) -> None:
        """A connection is of no more use to its client."""
        if connection.identity is not None:
            peer = self._clients[connection.identity.client_id]
            if peer.connection is connection:
                peer.detach()
        self._notify()

    def resume(self, identity: Identity) -> None:
        """A client can be sent what waits for it."""
        self._clients[identity.client_id].resume()

    def acknowledged(self, identity: Identity, packet_id: int) -> None:
        """A client has sent PUBACK."""
        self._clients[identity.client_id].acknowledged(packet_id)

    def acknowledge_after(self, identity: Identity) -> float | None:
        """For how many seconds a client waits for its PUBACK once its message is stored; None is for ever."""
        withheld = self.disturbance.withholds(identity.module or identity.device)
        return None if withheld else self.disturbance.delay

    def forget(self, name: str) -> None:
        """Drop a client's session and its connection: it has to subscribe again."""
        peer = self.client(name)
        peer.subscriptions = {}
        peer.session = False
        self._keep_session(peer, peer.subscriptions)
        if peer.connection is not None:
            peer.connection.drop("its session is forgotten")

    async def connected(self, name: str) -> None:
        """Wait until a client is connected."""
        await self._when(lambda: self.client(name).connection is not None)

    async def disconnected(self, name: str) -> None:
        """Wait until a client is not connected."""
        await self._when(lambda: self.client(name).connection is None)

    async def subscribed(self, name: str) -> None:
        """Wait until a client is connected and takes messages."""
        await self._when(lambda: self.client(name).subscribed)

    async def _when(self, condition: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    def _notify(self) -> None:
        async def notify() -> None:
            async with self._changed:
                self._changed.notify_all()
            await self._methods.subscribed()

        task = asyncio.get_running_loop().create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Subscriptions

    def subscribe(self, connection: Connection, identity: Identity, packet: Subscribe) -> None:
        """Take any filters, also those that nothing will be sent by; SUBACK once the session is stored.

        Args:
            connection: By which it came, and is answered.
            identity: Whose filters they are.
            packet: The filters, with the QoS that is asked for.
        """
        peer = self._clients[identity.client_id]
        granted = {name: min(qos, 1) for name, qos in packet.filters}
        if len(peer.subscriptions | granted) > subscriptions.MOST:
            raise ProtocolError(f"it subscribes to more than {subscriptions.MOST} topics")
        codes = [granted[name] for name, _ in packet.filters]

        def done(_result: object, error: sqlite3.Error | None) -> None:
            if error is not None:
                connection.drop(f"its session cannot be stored: {error}")
                return
            if peer.connection is not connection:
                return
            connection.send(packets.encode_suback(packet.packet_id, codes))
            peer.subscriptions |= granted
            peer.wanted()
            self._notify()

        self._keep_session(peer, peer.subscriptions | granted, done)

    def unsubscribe(self, connection: Connection, identity: Identity, packet: Unsubscribe) -> None:
        """Forget filters; UNSUBACK once the session is stored.

        Args:
            connection: By which it came, and is answered.
            identity: Whose filters they are.
            packet: The filters.
        """
        peer = self._clients[identity.client_id]
        peer.subscriptions = {name: qos for name, qos in peer.subscriptions.items() if name not in packet.filters}

        def done(_result: object, error: sqlite3.Error | None) -> None:
            if error is not None:
                connection.drop(f"its session cannot be stored: {error}")
                return
            connection.send(packets.encode_unsuback(packet.packet_id))

        self._keep_session(peer, peer.subscriptions, done)

    def _keep_session(self, peer: Client, subscriptions: dict[str, int], done: Done | None = None) -> None:
        client = peer.identity.client_id
        if peer.session:
            self._store.write("REPLACE INTO sessions VALUES (?, ?)", (client, json.dumps(subscriptions)), done)
        else:
            self._store.write("DELETE FROM sessions WHERE client = ?", (client,), done)

    # Messages

    def published(self, connection: Connection, identity: Identity, packet: Publish) -> None:
        """A client has published something.

        Args:
            connection: By which it came.
            identity: Who has sent it.
            packet: Topic, body, QoS and packet identifier.
        """
        topic = packet.topic
        events = f"{identity.resource}/messages/events"
        if topic == events or topic.startswith(events + "/"):
            if self.disturbance.chokes(topic, packet.body):
                raise ProtocolError("the fault `choke` is on")
            self._receive(connection, identity, packet, topic[len(events) + 1 :], {})
        elif topic.startswith(TWIN_GET):
            self._answer_twin(connection, identity, topic)
            self._after_store(connection, packet.packet_id)
        elif topic.startswith(TWIN_REPORT):
            self._report_twin(connection, identity, topic, packet.body)
            self._after_store(connection, packet.packet_id)
        elif topic.startswith(METHOD_ANSWER):
            self._methods.answered(connection, topic, packet.body)
            self._after_store(connection, packet.packet_id)
        else:
            raise ProtocolError(f"it may not publish to {topic!r}")

    def bequeathed(self, connection: Connection, identity: Identity, will: Will) -> None:
        """A client has gone without a goodbye: its will is a message of its own.

        Args:
            connection: That has ended.
            identity: Whose it was.
            will: What is to be said for it.
        """
        if not self.running:
            return
        events = f"{identity.resource}/messages/events/"
        if will.topic.startswith(events):
            packet = Publish(will.topic, will.body, 0, 0, duplicate=False, retain=will.retain)
            self._receive(connection, identity, packet, will.topic[len(events) :], {"MessageType": "Will"})
        else:
            log.warning("%s: its will is for %r, where it may not send", identity.client_id, will.topic)

    def _receive(
        self, connection: Connection, identity: Identity, packet: Publish, bag: str, marks: dict[str, str]
    ) -> None:
        # What MQTT says of a message and IoT Hub has no word for.
        told = {"mqtt-retain": packet.retain, "mqtt-dup": packet.duplicate}
        marks |= {name: "true" for name, holds in told.items() if holds}
        try:
            message = from_topic(
                bag, packet.body, identity.device, identity.module, self.disturbance.now(), marks=marks
            )
        except DroppedError as error:
            self.malformed += 1
            log.warning("%s: its message is acknowledged and dropped: %s", identity.client_id, error)
            self._after_store(connection, packet.packet_id)
        else:
            if connection.model:
                message.system["modelId"] = connection.model
            self._take(message, connection, packet.packet_id)

    def _after_store(self, connection: Connection, packet_id: int) -> None:
        # Acknowledgements keep the order of what they acknowledge, so this one queues up behind messages.
        self._store.submit(lambda _db: None, lambda _result, _error: connection.stored(packet_id))

    def _take(self, message: Message, connection: Connection, packet_id: int) -> None:
        def done(error: sqlite3.Error | None) -> None:
            if error is None:
                connection.stored(packet_id)
            else:
                connection.drop(f"its message cannot be stored: {error}")

        self.put(message, self.router.deliveries(message), done)

    def put(self, message: Message, deliveries: list[Delivery], done: Callable[[sqlite3.Error | None], None]) -> None:
        """Store a message for all places that it goes to; `done` is called when it is on disk.

        Args:
            message: The message.
            deliveries: Where it goes.
            done: Called when all of it is on disk.
        """
        entries: list[tuple[EndpointQueue, Item]] = []
        for sink, priority, time_to_live in deliveries:
            self._last_seq += 1
            expires = message.received + time_to_live
            item = Item(priority, self._last_seq, expires, sink.input or "", message)
            entries.append((self._endpoint(sink.module), item))
        if not entries:
            self.unrouted += 1
            log.debug("no route takes a message from %s", message.source)
        rows = [endpoint.row(item) for endpoint, item in entries]

        def stored(_result: object, error: sqlite3.Error | None) -> None:
            if error is None:
                for endpoint, item in entries:
                    endpoint.add(item)
            done(error)

        self._store.submit(lambda db: db.executemany(queue.INSERT, rows), stored)

    def _endpoint(self, module: str | None) -> EndpointQueue:
        if module is not None:
            return self._clients[f"{self.device}/{module}"].queue
        if self._upstream_queue is None:
            raise SimulatorError("the hub is not open")
        return self._upstream_queue

    # Twins and methods

    def _answer_twin(self, connection: Connection, identity: Identity, topic: str) -> None:
        if self.disturbance.silences(identity.module or identity.device):
            return
        request = raw_property(topic[len(TWIN_GET) :], "$rid")
        answer = self.disturbance.garbled_twin
        if answer is None:
            answer = json.dumps(self.upstream.edge_twin(identity.client_id).document()).encode()
        answer_topic = f"$iothub/twin/res/200/?$rid={request}"
        if self.disturbance.twin_delay:
            # What is read late is as old as the request.
            loop = asyncio.get_running_loop()
            loop.call_later(self.disturbance.twin_delay, self._answer, connection, identity, answer_topic, answer)
        else:
            self._answer(connection, identity, answer_topic, answer)

    def _answer(self, connection: Connection, identity: Identity, topic: str, body: bytes = b"") -> None:
        peer = self._clients[identity.client_id]
        if peer.connection is connection:
            peer.tell(topic, body)

    def _report_twin(self, connection: Connection, identity: Identity, topic: str, body: bytes) -> None:
        if self.disturbance.silences(identity.module or identity.device):
            return
        request = raw_property(topic[len(TWIN_REPORT) :], "$rid")

        def done(version: int) -> None:
            self._answer(connection, identity, f"$iothub/twin/res/204/?$rid={request}&$version={version}")

        status = self.disturbance.refuses_report(identity.module or identity.device)
        if status is not None:
            self._answer(connection, identity, f"$iothub/twin/res/{status}/?$rid={request}")
            return
        try:
            self.upstream.report(identity.client_id, parse_patch(body), done)
        except TwinError as error:
            log.warning("%s reports what IoT Hub refuses: %s", identity.client_id, error)
            answer = json.dumps({"errorCode": 400, "message": str(error)}).encode()
            self._answer(connection, identity, f"$iothub/twin/res/400/?$rid={request}", answer)
        else:
            self._route_report(connection, identity, body)

    def _route_report(self, connection: Connection, identity: Identity, patch: bytes) -> None:
        message = twin_change(self.device, identity.device, identity.module, patch, self.disturbance.now())
        deliveries = self.router.deliveries(message)

        def done(error: sqlite3.Error | None) -> None:
            if error is not None:
                connection.drop(f"its report cannot be stored: {error}")

        # One that no route takes is none that was lost.
        if deliveries:
            self.put(message, deliveries, done)

    def desired_changed(self, client: str, patch: dict[str, Any]) -> None:
        """Send a desired patch to a client, if it is there to take it; it is never sent again."""
        peer = self._clients.get(client)
        if peer is not None and subscriptions.takes_patches(peer.subscriptions):
            peer.tell(f"{subscriptions.TWIN_PATCHES}?$version={patch['$version']}", json.dumps(patch).encode())

    async def invoke(
        self, name: str, method: str, payload: object, answer_within: float = 30.0, connect_within: float = 0.0
    ) -> MethodResult:
        """Call a direct method of a client.

        Args:
            name: Of the client: device, or device/module.
            method: Its name.
            payload: Any JSON.
            answer_within: Seconds for the answer.
            connect_within: Seconds for the module to be there.

        Raises:
            MethodError: It is not connected, or does not answer.
        """
        return await self._methods.invoke(self.client(name), method, payload, answer_within, connect_within)
