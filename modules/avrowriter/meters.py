"""What avrowriter counts and shows."""

from __future__ import annotations

from modules.avrowriter.archive import Archive
from modules.edge.host.metrics import Metrics
from scoring.errors import Reason


class ArchiveMeters:
    """The module's own metrics; those of its journal are every module's."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.messages = metrics.counter("messages", "Messages written to files")
        self.records = metrics.counter("records", "Records written to files")
        self.dead_letters = metrics.counters("dead_letters", "Messages that could not be written", "reason", Reason)

    def watch(self, archive: Archive) -> None:
        """Show how full the archive is whenever somebody looks."""
        gauge = self._metrics.gauge
        gauge("archive_files", "Files in the archive, the growing one included", lambda: archive.files)
        gauge("archive_bytes", "What they take on disk", lambda: archive.bytes)
        gauge(
            "archive_limit_bytes",
            "What they may take; at the limit messages wait in the journal, and then with edgeHub",
            lambda: archive.limit,
        )
        gauge("finished_files", "Files that were made whole since the start", lambda: archive.finished)
