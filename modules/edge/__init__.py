"""What every module shares: its connection to edgeHub, its journal, twin, settings, metrics and logs."""

from typing import TYPE_CHECKING

from scoring.lazy import lazily

if TYPE_CHECKING:
    from modules.edge.host.health import Health
    from modules.edge.host.metrics import Metrics
    from modules.edge.host.process import run, unless, until
    from modules.edge.host.watchdog import Watchdog
    from modules.edge.hub.client import EdgeClient
    from modules.edge.hub.message import InputMessage, OutputMessage
    from modules.edge.hub.sender import OrderedSender, Parcel
    from modules.edge.hub.twin import Desired, ModuleTwin
    from modules.edge.journal.journal import Incoming, Journal, Outgoing, Settlement
    from modules.edge.journal.outbox import Outbox

__all__ = [
    "Desired",
    "EdgeClient",
    "Health",
    "Incoming",
    "InputMessage",
    "Journal",
    "Metrics",
    "ModuleTwin",
    "OrderedSender",
    "Outbox",
    "Outgoing",
    "OutputMessage",
    "Parcel",
    "Settlement",
    "Watchdog",
    "run",
    "unless",
    "until",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "hub.client": ("EdgeClient",),
        "hub.message": (
            "InputMessage",
            "OutputMessage",
        ),
        "hub.sender": (
            "OrderedSender",
            "Parcel",
        ),
        "hub.twin": (
            "Desired",
            "ModuleTwin",
        ),
        "host.health": ("Health",),
        "host.metrics": ("Metrics",),
        "host.process": (
            "run",
            "unless",
            "until",
        ),
        "host.watchdog": ("Watchdog",),
        "journal.journal": (
            "Incoming",
            "Journal",
            "Outgoing",
            "Settlement",
        ),
        "journal.outbox": ("Outbox",),
    },
)
