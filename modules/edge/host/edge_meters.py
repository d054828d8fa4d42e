"""What every module shows that stores messages: inbox and outbox, their file, the connection."""

from __future__ import annotations

from modules.edge.host.metrics import Metrics
from modules.edge.hub.client import EdgeClient
from modules.edge.journal import Journal
from modules.edge.journal.outbox import Outbox


def watch_edge(metrics: Metrics, journal: Journal, outbox: Outbox, client: EdgeClient) -> None:
    """Show what waits, and what became of it, whenever somebody looks.

    Args:
        metrics: Take them.
        journal: Shows how full it is.
        outbox: Shows what is in hand.
        client: Shows whether it is connected.
    """
    gauge = metrics.gauge
    gauge("inbox_messages", "Messages taken and not yet answered", lambda: journal.inbox_entries)
    gauge("outbox_messages", "Answers that edgeHub has not yet acknowledged", lambda: journal.outbox_entries)
    gauge("outbox_in_memory", "Of those, how many are in memory and not yet under way", lambda: outbox.in_memory)
    gauge(
        "replaced_messages",
        "Answers that edgeHub does not take, replaced by a dead letter since the start",
        lambda: outbox.replaced,
    )
    gauge("journal_bytes", "What inbox and outbox take on disk", lambda: journal.bytes)
    gauge(
        "journal_limit_bytes",
        "What they may take; at the limit edgeHub keeps further messages",
        lambda: journal.limit,
    )
    gauge("journal_set_aside", "Broken journals that this start set aside", lambda: journal.set_aside)
    gauge("journal_trouble", "1 while the disk does not take what is written", lambda: journal.trouble is not None)
    gauge("journal_damaged_rows", "Damaged rows that were put aside since the start", lambda: journal.damaged)
    gauge(
        "refused_inputs",
        "Inputs that were not taken since the start, for want of room or because of the disk; edgeHub keeps them",
        lambda: journal.refused,
    )
    gauge("connections", "Connections to edgeHub made since the start", lambda: client.connections)
    gauge("connected", "1 while connected to edgeHub", lambda: client.is_connected)
