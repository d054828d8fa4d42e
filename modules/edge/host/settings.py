"""What can be set of every module that stores messages."""

from __future__ import annotations

from modules.edge.host.watchdog import EARLIEST_SECONDS, STALL_SECONDS
from modules.edge.journal import Durability
from modules.edge.settings import Choice, Number

JOURNAL_DURABILITY = Choice(
    name="JOURNAL_DURABILITY",
    text="`process` survives any kill, `power` also a power cut",
    default=Durability.PROCESS,
)
WATCHDOG_STALL_SECONDS = Number(
    name="WATCHDOG_STALL_SECONDS",
    text="how long work may wait without progress before the process ends itself",
    default=STALL_SECONDS,
    lowest=1.0,
    highest=1e6,
)
WATCHDOG_EARLIEST_SECONDS = Number(
    name="WATCHDOG_EARLIEST_SECONDS",
    text="but not sooner after its start than this",
    default=EARLIEST_SECONDS,
    lowest=0.0,
    highest=1e6,
)
