"""The module telemetrysource: replays telemetry, C-MAPSS or a table of one's own, on its output `telemetry`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from modules.edge.host.health import Health
from modules.edge.host.metrics import Metrics
from modules.edge.host.process import run, until
from modules.edge.hub.client import EdgeClient
from modules.edge.hub.sender import OrderedSender, Parcel
from modules.edge.hub.twin import Desired, ModuleTwin
from modules.edge.settings import SettingError
from modules.telemetrysource import settings
from modules.telemetrysource.pace import Pace
from modules.telemetrysource.position import Position
from modules.telemetrysource.replay import Reading, Replay
from scoring.errors import ScoringError
from scoring.model.file import read_signature
from scoring.wire.recording import Recording, is_table, read_cmapss, read_table

log = logging.getLogger(__name__)


async def telemetrysource(stop: asyncio.Event) -> bool:
    """Replay until `stop` is set; return whether a client of the SDK is stuck.

    Raises:
        SettingError: A setting cannot be used.
        ScoringError: The telemetry file is not what its format promises, or the model says nothing of its fields.
    """
    # All of them, before anything is opened.
    rate = settings.RATE.read()
    pace = Pace(rate, settings.SPEED_UP.read(), settings.CYCLE_SECONDS.read())
    path, prefix, model = settings.TELEMETRY_PATH.read(), settings.ENGINE_PREFIX.read(), settings.MODEL_PATH.read()
    corrupt_share, seed, repeat = settings.CORRUPT_SHARE.read(), settings.SEED.read(), settings.REPEAT.read()
    state = settings.STATE_DIR.read()
    metrics = Metrics("telemetrysource")
    health = Health("the telemetry is being read")
    async with metrics.served(settings.METRICS_LISTEN.read(), health.trouble):
        replay = Replay(_recording(Path(path), prefix, model), corrupt_share, seed, repeat)
        position = Position(state / "position.json", replay.name)
        # Inputs are none of this module's business; what a wrong route brings is acknowledged, or it would block the
        # queue.
        client = EdgeClient(lambda _topic, _body: True, ModuleTwin(Desired(settings.RATE, rate, pace.use_rate)))
        health.watch(lambda: None if client.is_connected else "not connected")
        source = _Source(replay, position, pace, client, metrics)
        await until(stop, client.run(), source.run())
    position.write()
    return client.stuck > 0


def _recording(path: Path, prefix: str, model: str) -> Recording:
    if not is_table(path):
        return read_cmapss(path, prefix)
    if not model:
        raise SettingError(
            f"{settings.TELEMETRY_PATH.name} is {path}, a table, and {settings.MODEL_PATH.name} is not set, the model "
            "whose fields it has; set it in the module's env in the deployment manifest"
        )
    return read_table(path, read_signature(Path(model)), f"{prefix}001")


class _Source:
    """Sends a replay from its position to its end, and then says so in the reported properties."""

    def __init__(self, replay: Replay, position: Position, pace: Pace, client: EdgeClient, metrics: Metrics) -> None:
        self._replay = replay
        self._position = position
        self._pace = pace
        self._client = client
        self._sender = OrderedSender(client)
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
    run(telemetrysource, ScoringError)
