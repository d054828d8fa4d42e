"""The module rulclassifier: telemetry in, predictions out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from modules.edge.host.edge_meters import watch_edge
from modules.edge.host.health import Health
from modules.edge.host.memory import give_back
from modules.edge.host.metrics import Metrics
from modules.edge.host.process import run, unless, until
from modules.edge.host.watchdog import Watchdog, Work
from modules.edge.hub.client import EdgeClient
from modules.edge.hub.dead_letter import bare
from modules.edge.hub.twin import ModuleTwin
from modules.edge.journal import Journal
from modules.edge.journal.outbox import Outbox
from modules.rulclassifier import settings
from modules.rulclassifier.meters import Meters
from modules.rulclassifier.processor import Processor, Rules
from modules.rulclassifier.tables import TABLES
from scoring.errors import ModelError
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier

# A hub of ten thousand devices takes 50 reports a second, and a share in hundredths changes seldom.
TELL_SECONDS = 60.0

log = logging.getLogger(__name__)


async def rulclassifier(stop: asyncio.Event) -> bool:
    """Score until `stop` is set; return whether a thread is stuck.

    Raises:
        SettingError: A setting cannot be used.
        ModelError: The model cannot be served.
        JournalError: The journal cannot be opened.
    """
    # All of them, before anything is opened.
    path = Path(settings.MODEL_PATH.read())
    require_digest = settings.MODEL_WITHOUT_DIGEST.read() is settings.WithoutDigest.REFUSE
    state = settings.STATE_DIR.read()
    engines = settings.ENGINES.read()
    asked = settings.CHANCE_TO_LAST.read()
    limit = settings.JOURNAL_MEGABYTES.read() * 1_000_000
    durability = settings.JOURNAL_DURABILITY.read()
    rules = Rules(
        settings.MAX_CYCLE_JUMP.read(),
        settings.CONFIRM_SECONDS.read(),
        settings.UNNAMED_ENGINE.read() is settings.UnnamedEngine.DEVICE,
        settings.ARCHIVE.read(),
    )
    watchdog = Watchdog(
        earliest=settings.WATCHDOG_EARLIEST_SECONDS.read(), stall=settings.WATCHDOG_STALL_SECONDS.read()
    )
    metrics = Metrics("rulclassifier")
    health = Health("the model is being loaded")
    async with metrics.served(settings.METRICS_LISTEN.read(), health.trouble), watchdog.on_duty():
        log.info("loading the model %s", path)
        model = await _load(lambda: Model.load(path, require_digest=require_digest), stop, watchdog)
        if model is None:
            return True
        classifier = Classifier(model, engines, asked)
        journal = Journal(state / "journal.sqlite3", limit, durability, TABLES)
        meters = Meters(metrics)
        meters.show_model(model)
        client = EdgeClient(journal.accept, ModuleTwin())
        outbox = Outbox(journal, client, bare)
        processor = Processor(journal, classifier, meters, outbox, rules)
        watch_edge(metrics, journal, outbox, client)
        meters.watch_engines(classifier.history, processor.continuity)
        watchdog.watch(
            Work("the inbox", lambda: journal.inbox_entries > 0 and not processor.waits, lambda: processor.settled),
            Work("the outbox", lambda: journal.outbox_entries > 0 and client.is_connected, lambda: outbox.sent),
            Work("the SDK", lambda: client.stuck > 0 and not client.is_connected, lambda: client.connections),
        )
        health.watch(
            lambda: None if client.is_connected else "not connected",
            lambda: journal.trouble and f"not storing: {journal.trouble}",
            lambda: processor.trouble and f"not scoring: {processor.trouble}",
        )
        give_back()
        processor.start()
        await until(stop, client.run(), outbox.run(), processor.watch(), _tell(client, processor))
    processor.stop()
    journal.close()
    return client.stuck > 0


async def _tell(client: EdgeClient, processor: Processor) -> None:
    """Keep in the reported properties what an operator should see who reads no log."""
    while True:
        if processor.settled:
            client.report({"deadLetterShare": round(processor.dead_letters / processor.settled, 2)})
        await asyncio.sleep(TELL_SECONDS)


async def _load(load: Callable[[], Model], stop: asyncio.Event, watchdog: Watchdog) -> Model | None:
    """Load the model; None if it is time to end before that has come to an end."""
    model: Model | None = None
    watchdog.watch(Work("the load of the model", lambda: model is None, lambda: model))
    model = await unless(stop, load)
    if model is not None:
        log.info(
            "model %s, version %s, reproduces its golden windows to %.1g; digest of its outputs %s",
            model.signature.name,
            model.version,
            model.golden_difference,
            model.golden_digest,
        )
    return model


if __name__ == "__main__":
    run(rulclassifier, ModelError)
