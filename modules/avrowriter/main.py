"""The module avrowriter: whatever a route brings in, Avro files out."""

from __future__ import annotations

import asyncio
import logging

from modules.avrowriter import settings
from modules.avrowriter.archive import Archive
from modules.avrowriter.meters import ArchiveMeters
from modules.avrowriter.records import shape
from modules.avrowriter.tables import TABLES
from modules.avrowriter.writer import Writer
from modules.edge.host.edge_meters import watch_edge
from modules.edge.host.health import Health
from modules.edge.host.metrics import Metrics
from modules.edge.host.process import run, until
from modules.edge.host.watchdog import Watchdog, Work
from modules.edge.hub.client import EdgeClient
from modules.edge.hub.dead_letter import bare
from modules.edge.hub.twin import ModuleTwin
from modules.edge.journal import Durability, Journal
from modules.edge.journal.outbox import Outbox
from modules.edge.settings import SettingError

log = logging.getLogger(__name__)


async def avrowriter(stop: asyncio.Event) -> bool:
    """Write until `stop` is set; return whether a thread is stuck.

    Raises:
        SettingError: A setting cannot be used, or the archive's folder not be written.
        JournalError: The journal cannot be opened.
    """
    # All of them, before anything is opened.
    state = settings.STATE_DIR.read()
    form = shape(settings.ARCHIVE_FORM.read())
    minutes = settings.ARCHIVE_MINUTES.read()
    archive_limit = settings.ARCHIVE_MEGABYTES.read() * 1_000_000
    limit = settings.JOURNAL_MEGABYTES.read() * 1_000_000
    durability = settings.JOURNAL_DURABILITY.read()
    watchdog = Watchdog(
        earliest=settings.WATCHDOG_EARLIEST_SECONDS.read(), stall=settings.WATCHDOG_STALL_SECONDS.read()
    )
    metrics = Metrics("avrowriter")
    health = Health("the archive is being looked through")
    async with metrics.served(settings.METRICS_LISTEN.read(), health.trouble), watchdog.on_duty():
        journal = Journal(state / "journal.sqlite3", limit, durability, TABLES)
        client = EdgeClient(journal.accept, ModuleTwin())
        outbox = Outbox(journal, client, bare)
        meters = ArchiveMeters(metrics)
        try:
            archive = Archive(
                state / "archive",
                form.schema,
                minutes,
                archive_limit,
                survives_power=durability is Durability.POWER,
            )
            writer = Writer(journal, archive, form, meters, outbox)
        except OSError as error:
            raise SettingError(
                f"{settings.STATE_DIR.name} is {state}, where no archive can be written: {error.strerror}"
            ) from error
        meters.watch(archive)
        watch_edge(metrics, journal, outbox, client)
        watchdog.watch(
            Work("the inbox", lambda: journal.inbox_entries > 0 and not writer.waits, lambda: writer.settled),
            Work("the outbox", lambda: journal.outbox_entries > 0 and client.is_connected, lambda: outbox.sent),
            Work("the SDK", lambda: client.stuck > 0 and not client.is_connected, lambda: client.connections),
        )
        health.watch(
            lambda: None if client.is_connected else "not connected",
            lambda: journal.trouble and f"not storing: {journal.trouble}",
            lambda: writer.trouble and f"not archiving: {writer.trouble}",
        )
        log.info("the archive holds %d files of %d bytes together", archive.files, archive.bytes)
        writer.start()
        await until(stop, client.run(), outbox.run(), writer.watch())
    writer.stop()
    journal.close()
    return client.stuck > 0


if __name__ == "__main__":
    run(avrowriter)
