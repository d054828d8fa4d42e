"""The module rulclassifier: telemetry in, predictions out."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from modules.edge import environment
from modules.edge.client import EdgeClient
from modules.edge.journal import Durability, Journal
from modules.edge.memory import give_back
from modules.edge.metrics import Metrics
from modules.edge.outbox import Outbox
from modules.edge.process import run, until
from modules.edge.twin import Twin
from modules.edge.watchdog import EARLIEST_SECONDS, STALL_SECONDS, Watchdog, Work
from modules.rulclassifier.answers import bare
from modules.rulclassifier.meters import Meters
from modules.rulclassifier.processor import Processor
from scoring.classifier import Classifier
from scoring.errors import ModelError
from scoring.history import DEFAULT_ENGINES
from scoring.model import Model

log = logging.getLogger(__name__)

# An hour without a cloud at 100 messages a second of 700 bytes; eMMC of the smallest gateways has 4 GB.
JOURNAL_MEGABYTES = 256


async def rulclassifier(stop: asyncio.Event) -> bool:
    """Score until `stop` is set; return whether a client of the SDK is stuck.

    Raises:
        SettingError: A variable of the environment cannot be used.
        ModelError: The model cannot be served.
        JournalError: The journal cannot be opened.
    """
    model = Model.load(Path(environment.text("MODEL_PATH")))
    log.info(
        "model %s, version %s, reproduces its golden windows to %.1g",
        model.signature.name,
        model.version,
        model.golden_difference,
    )
    classifier = Classifier(model, environment.number("ENGINES", DEFAULT_ENGINES, 1, 100_000))
    journal = Journal(
        environment.folder("STATE_DIR") / "journal.sqlite3",
        environment.number("JOURNAL_MEGABYTES", JOURNAL_MEGABYTES, 1, 100_000) * 1_000_000,
        environment.choice("JOURNAL_DURABILITY", Durability.PROCESS),
    )
    metrics = Metrics("rulclassifier")
    meters = Meters(metrics)
    client = EdgeClient(journal.accept, Twin({}))
    outbox = Outbox(journal, client, bare)
    processor = Processor(journal, classifier, meters, outbox)
    meters.watch(journal, outbox, classifier.history, client)
    watchdog = Watchdog(
        [
            Work("the inbox", lambda: journal.inbox_entries > 0, lambda: processor.settled),
            Work("the outbox", lambda: journal.outbox_entries > 0 and client.is_connected, lambda: outbox.sent),
            Work("the SDK", lambda: client.stuck > 0 and not client.is_connected, lambda: client.connections),
        ],
        environment.number("WATCHDOG_EARLIEST_SECONDS", EARLIEST_SECONDS, 0.0, 1e6),
        environment.number("WATCHDOG_STALL_SECONDS", STALL_SECONDS, 1.0, 1e6),
    )
    give_back()
    async with metrics.served(environment.text("METRICS_LISTEN", ""), lambda: client.is_connected):
        processor.start()
        watchdog.start()
        await until(stop, client.run(), outbox.run(), processor.watch(), watchdog.beat())
    watchdog.stop()
    processor.stop()
    journal.close()
    return client.stuck > 0


if __name__ == "__main__":
    run(rulclassifier, ModelError)
