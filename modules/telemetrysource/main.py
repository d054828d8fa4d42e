"""The module telemetrysource: replays C-MAPSS trajectories, real or simulated, on its output `telemetry`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from modules.edge import environment
from modules.edge.client import EdgeClient
from modules.edge.metrics import Metrics
from modules.edge.process import run, until
from modules.edge.sender import Parcel, Sender
from modules.edge.twin import Setting, Twin
from modules.telemetrysource.pace import CYCLE_SECONDS, HIGHEST_RATE, Pace
from modules.telemetrysource.position import Position
from modules.telemetrysource.replay import Reading, Replay
from scoring.errors import CmapssError

log = logging.getLogger(__name__)

DEFAULT_RATE = 100.0


async def telemetrysource(stop: asyncio.Event) -> bool:
    """Replay until `stop` is set; return whether a client of the SDK is stuck.

    Raises:
        SettingError: A variable of the environment cannot be used.
        CmapssError: The telemetry file is not what its format promises.
    """
    number = environment.number
    rate = number("RATE", DEFAULT_RATE, 0.0, HIGHEST_RATE)
    pace = Pace(rate, number("SPEED_UP", 0.0, 0.0, 1e9), number("CYCLE_SECONDS", CYCLE_SECONDS, 0.0, 1e6))
    replay = Replay(
        Path(environment.text("TELEMETRY_PATH")),
        environment.text("ENGINE_PREFIX", "Client_"),
        number("CORRUPT_SHARE", 0.0, 0.0, 1.0),
        number("SEED", 1, 0, 1_000_000),
        number("REPEAT", 1, 1, 1_000_000),
    )
    position = Position(environment.folder("STATE_DIR") / "position.json", replay.name)
    metrics = Metrics("telemetrysource")
    # Inputs are none of this module's business; what a wrong route brings is acknowledged, or it would block the queue.
    client = EdgeClient(lambda _topic, _body: True, Twin({"rate": Setting(rate, pace.use_rate)}))
    source = _Source(replay, position, pace, client, metrics)
    async with metrics.served(environment.text("METRICS_LISTEN", ""), lambda: client.is_connected):
        await until(stop, client.run(), source.run())
    position.write()
    return client.stuck > 0


class _Source:
    """Sends a replay from its position to its end, and then says so in the reported properties."""

    def __init__(self, replay: Replay, position: Position, pace: Pace, client: EdgeClient, metrics: Metrics) -> None:
        self._replay = replay
        self._position = position
        self._pace = pace
        self._client = client
        self._sender = Sender(client)
        self._sent = metrics.counter("messages", "Readings that edgeHub has acknowledged")
        self._corrupt = metrics.counter("corrupt_messages", "Spoilt readings that edgeHub has acknowledged")
        metrics.gauge("position", "Readings of the replay that are done", lambda: position.first)
        metrics.gauge("readings", "Readings that the replay has", lambda: len(replay))

    async def run(self) -> None:
        try:
            await self._replay_all()
        finally:
            await self._sender.close()

    async def _replay_all(self) -> None:
        log.info("replaying %d readings from position %d on", len(self._replay), self._position.first)
        for position in range(self._position.first, len(self._replay)):
            readings = tuple(self._replay.at(position))
            for reading in readings:
                await self._pace.wait(reading.cycle)
                # A spoilt one comes behind its whole one and is acknowledged after it.
                done = position if reading is readings[-1] else None
                await self._sender.submit(Parcel(reading.message(), self._acknowledgement(reading, done)))
        await self._sender.idle()
        self._position.write()
        log.info("the replay has ended")
        summary = {"name": self._replay.name, "readings": len(self._replay), "corrupt": self._replay.corrupt}
        self._client.report({"replay": {**summary, "ended": True}})
        await asyncio.Event().wait()

    def _acknowledgement(self, reading: Reading, done: int | None) -> Callable[[], None]:
        def acknowledge() -> None:
            (self._corrupt if reading.is_corrupt else self._sent).inc()
            if done is not None:
                self._position.acknowledge(done)

        return acknowledge


if __name__ == "__main__":
    run(telemetrysource, CmapssError)
