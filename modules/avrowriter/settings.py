"""What can be set of avrowriter."""

from __future__ import annotations

from modules.avrowriter.records import RecordForm
from modules.edge import settings
from modules.edge.host import settings as host
from modules.edge.settings import Choice, Folder, Number

STATE_DIR = Folder(name="STATE_DIR", text="where the journal is, and in `archive` the files")
ARCHIVE_FORM = Choice(
    name="ARCHIVE_FORM",
    text="what a record looks like: as IoT Hub captures messages, or a turbofan's reading with its predicted RUL, flat",
    default=RecordForm.CAPTURE,
)
ARCHIVE_MINUTES = Number(name="ARCHIVE_MINUTES", text="how long a file grows", default=5, lowest=1, highest=60)
# A day of 100 readings a second takes some 1.2 GB; eMMC of the smallest gateways has 4 GB.
ARCHIVE_MEGABYTES = Number(
    name="ARCHIVE_MEGABYTES",
    text="what all files take at most; at the limit messages wait in the journal, and then with edgeHub",
    default=1_000,
    lowest=1,
    highest=1_000_000,
)
JOURNAL_MEGABYTES = Number(
    name="JOURNAL_MEGABYTES",
    text="what waits on disk at most; at the limit edgeHub keeps the rest",
    default=64,
    lowest=1,
    highest=100_000,
)
JOURNAL_DURABILITY = host.JOURNAL_DURABILITY
WATCHDOG_STALL_SECONDS = host.WATCHDOG_STALL_SECONDS
WATCHDOG_EARLIEST_SECONDS = host.WATCHDOG_EARLIEST_SECONDS
METRICS_LISTEN = settings.METRICS_LISTEN
