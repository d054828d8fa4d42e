"""The cloud's end: every message that went `$upstream`, and the twins."""

from __future__ import annotations

import asyncio
import copy
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from simulator.cloud.twin import Twin, difference, from_text
from simulator.database import Database
from simulator.errors import SimulatorError
from simulator.message import UPSTREAM_NAMES, Message

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY, enqueued REAL, device TEXT, module TEXT, output TEXT, message_id TEXT,
    correlation_id TEXT, content_type TEXT, content_encoding TEXT, system TEXT, properties TEXT, body BLOB
);
CREATE TABLE IF NOT EXISTS twins (client TEXT PRIMARY KEY, twin TEXT);
"""
INSERT = (
    "INSERT INTO messages (enqueued, device, module, output, message_id, correlation_id, content_type, "
    "content_encoding, system, properties, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
FILE = "upstream.sqlite3"
# The answers with which IoT Hub refuses messages for a while, by the name of the fault.
REFUSALS = {"throttled": "429001 ThrottlingException", "quota": "403002 IoTHubQuotaExceeded"}


class RefusedError(SimulatorError):
    """The cloud does not take messages now."""


class Received(NamedTuple):
    """A message as the cloud keeps it."""

    seq: int
    enqueued: float
    device: str
    module: str | None
    output: str | None
    message_id: str | None
    correlation_id: str | None
    content_type: str | None
    content_encoding: str | None
    system: dict[str, str]
    properties: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The message as JSON has it: the body as text if it is UTF-8, else as hexadecimal digits."""
        entry = self._asdict()
        try:
            entry["body"] = self.body.decode()
        except UnicodeDecodeError:
            del entry["body"]
            entry["body_hex"] = self.body.hex()
        return entry


def received(path: Path, after: int = 0) -> Iterator[Received]:
    """Read messages with a higher `seq` from an upstream file, oldest first, also while it is written to."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute("SELECT * FROM messages WHERE seq > ? ORDER BY seq", (after,)):
            message = Received._make(row)
            yield message._replace(system=json.loads(row["system"]), properties=json.loads(row["properties"]))


class Upstream:
    """IoT Hub as far as an edge device sees it.

    Args:
        home: The folder for `upstream.sqlite3`.

    Attributes:
        refusal: Why messages are refused now (a key of REFUSALS), or None.
        count: Messages received so far.
    """

    def __init__(self, home: Path) -> None:
        self.path = home / FILE
        self.count = 0
        self.refusal: str | None = None
        self._store = Database(self.path, SCHEMA)
        self._twins: dict[str, Twin] = {}
        # What the edge hub remembers of twins that have changed since it went offline.
        self._cached: dict[str, Twin] = {}
        self._online = asyncio.Event()
        self._online.set()
        self._arrived = asyncio.Condition()
        self.on_desired: Callable[[str, dict[str, Any]], None] = lambda _client, _patch: None

    async def open(self) -> None:
        """Open the file and read what it holds."""
        await self._store.open()
        rows = await self._store.run(lambda db: db.execute("SELECT client, twin FROM twins").fetchall())
        self._twins = {client: from_text(text) for client, text in rows}
        self.count = await self._store.run(lambda db: int(db.execute("SELECT count(*) FROM messages").fetchone()[0]))

    async def close(self) -> None:
        """Close the file."""
        await self._store.close()

    # Messages

    async def accept(self, messages: list[Message]) -> None:
        """Take messages in one commit.

        Raises:
            RefusedError: The cloud is told to refuse them.
        """
        if self.refusal is not None:
            raise RefusedError(REFUSALS[self.refusal])
        now = time.time()
        rows = [_row(message, now) for message in messages]
        await self._store.run(lambda db: db.executemany(INSERT, rows))
        async with self._arrived:
            self.count += len(rows)
            self._arrived.notify_all()

    def messages(self, after: int = 0) -> list[Received]:
        """Messages with a higher `seq` than `after`, oldest first."""
        return list(received(self.path, after))

    async def arrived(self, count: int) -> None:
        """Wait until there are at least so many messages."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.count >= count)

    async def wait_for(self, count: int) -> list[Received]:
        """All messages, once there are at least so many."""
        await self.arrived(count)
        return self.messages()

    async def follow(self, after: int = 0) -> AsyncIterator[Received]:
        """Messages as they arrive, for ever."""
        while True:
            for message in self.messages(after):
                after = message.seq
                yield message
            async with self._arrived:
                seen = self.count
                if not self.messages(after):
                    await self._arrived.wait_for(lambda: self.count > seen)  # noqa: B023 - waited for here

    # The connection between edge and cloud

    @property
    def online(self) -> bool:
        """Whether the edge hub reaches the cloud."""
        return self._online.is_set()

    def go_offline(self) -> None:
        """Cut the edge hub off the cloud."""
        self._online.clear()

    def go_online(self) -> None:
        """Let the edge hub reach the cloud again; changed desired properties are sent on."""
        if self.online:
            return
        self._online.set()
        cached, self._cached = self._cached, {}
        for client, edge in cached.items():
            twin = self.twin(client)
            twin.reported, twin.reported_version = edge.reported, edge.reported_version
            self._keep(client)
            if twin.desired_version != edge.desired_version:
                patch = difference(edge.desired, twin.desired)
                self.on_desired(client, {**patch, "$version": twin.desired_version})

    async def wait_online(self) -> None:
        """Wait until the edge hub reaches the cloud."""
        await self._online.wait()

    # Twins

    def twin(self, client: str) -> Twin:
        """The twin of a client (`device/module` or `device`), made if there is none."""
        return self._twins.setdefault(client, Twin())

    def edge_twin(self, client: str) -> Twin:
        """The twin as the edge hub knows it: while it is offline, as it was."""
        if self.online:
            return self.twin(client)
        return self._cached.setdefault(client, copy.deepcopy(self.twin(client)))

    def set_desired(self, client: str, patch: dict[str, Any]) -> int:
        """Merge a patch into a client's desired properties; return their new version."""
        return self._change_desired(client, lambda twin: twin.set_desired(patch))

    def replace_desired(self, client: str, properties: dict[str, Any]) -> int:
        """Put other desired properties in place of all; return their new version."""
        return self._change_desired(client, lambda twin: twin.replace_desired(properties))

    def _change_desired(self, client: str, change: Callable[[Twin], dict[str, Any]]) -> int:
        if not self.online:
            self.edge_twin(client)  # remember it as it was
        patch = change(self.twin(client))
        self._keep(client)
        if self.online:
            self.on_desired(client, patch)
        return self.twin(client).desired_version

    def report(self, client: str, patch: dict[str, Any], done: Callable[[int], None]) -> None:
        """Merge a patch into a client's reported properties; `done` gets the version once it is kept.

        Args:
            client: Whose twin it is.
            patch: What it reports.
            done: Called when it is on disk.
        """
        version = self.edge_twin(client).report(patch)
        self._keep(client, lambda _result, error: None if error else done(version))

    def _keep(self, client: str, done: Callable[[Any, sqlite3.Error | None], None] | None = None) -> None:
        self._store.write("REPLACE INTO twins VALUES (?, ?)", (client, self.twin(client).to_text()), done)


def _row(message: Message, now: float) -> tuple[Any, ...]:
    system = {UPSTREAM_NAMES[name]: value for name, value in message.system.items() if name in UPSTREAM_NAMES}
    system["iothub-connection-device-id"] = message.device
    if message.module is not None:
        system["iothub-connection-module-id"] = message.module
    system["iothub-enqueuedtime"] = datetime.fromtimestamp(now, UTC).isoformat()
    # When the edge hub took it.
    system.setdefault("iothub-creation-time-utc", datetime.fromtimestamp(message.received, UTC).isoformat())
    return (
        now,
        message.device,
        message.module,
        message.output,
        system.get("messageId"),
        system.get("correlationId"),
        system.get("contentType"),
        system.get("contentEncoding"),
        json.dumps(system),
        json.dumps(message.properties),
        message.body,
    )
