"""Takes messages from the journal, appends them to the growing file, and settles them in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from modules.avrowriter import tables
from modules.avrowriter.archive import Archive, ArchiveFullError, Settled
from modules.avrowriter.meters import ArchiveMeters
from modules.avrowriter.records import Record, Shape
from modules.edge.hub.dead_letter import dead_letter
from modules.edge.hub.message import OutputMessage
from modules.edge.journal import Journal, JournalBrokenError, JournalError, Settlement
from modules.edge.journal.outbox import Outbox
from modules.edge.journal.worker import RETRY_SECONDS, Worker
from scoring.errors import InvalidTelemetry

log = logging.getLogger(__name__)

# What waits is safe in the journal: a block of many messages takes less room, and an eMMC fewer writes.
GATHER_SECONDS = 2.0
# As many messages make a block that is worth writing at once.
MOST_MESSAGES = 500
# How soon it is seen that so many have come.
GLANCE_SECONDS = 0.1


class Writer(Worker):
    """The one thread in which messages become records of files."""

    def __init__(self, journal: Journal, archive: Archive, shape: Shape, meters: ArchiveMeters, outbox: Outbox) -> None:
        """Prepare the thread, and make whole what an earlier process left growing.

        Args:
            journal: Where messages come from.
            archive: Where they go.
            shape: What a message is in a file.
            meters: Count what is done.
            outbox: Told of dead letters, and asked what was sent.

        Raises:
            OSError: The archive cannot be written.
            JournalError: The journal cannot be.
        """
        super().__init__("writer", journal, outbox)
        self._archive = archive
        self._shape = shape
        self._meters = meters
        with journal.memory() as connection:
            settled = tables.read(connection)
            archive.recover(settled)
            # From here on nothing is settled of what grows; the name stays, so that no other file has it.
            tables.write(connection, Settled(settled.name if settled else "", 0))

    def stop(self) -> None:
        """Finish the block in hand, and end."""
        super().stop()
        self._archive.close()

    def work(self) -> None:
        """Write what waits."""
        self._gather()
        self._write_next()

    def keep_time(self) -> None:
        """Make the growing file whole when its minutes are over."""
        try:
            self._archive.finish_if_due()
        except OSError as error:
            self.trouble = str(error)
            self.wait(RETRY_SECONDS)
        else:
            self.trouble = None

    def _gather(self) -> None:
        """Let messages come together, a moment at most."""
        until = time.monotonic() + GATHER_SECONDS
        while self._journal.inbox_entries < MOST_MESSAGES and time.monotonic() < until:
            self.wait(GLANCE_SECONDS)

    def _write_next(self) -> None:
        try:
            entries = self._journal.take(MOST_MESSAGES, self._journal.reserve // 4, leftovers_alone=False)
        except JournalBrokenError:
            raise
        except JournalError:
            self.wait(RETRY_SECONDS)
            return
        records: list[Record] = []
        letters: list[OutputMessage] = []
        refused: list[InvalidTelemetry] = []
        for entry in entries:
            try:
                records += list(self._shape.records(entry.message))
            except InvalidTelemetry as invalid:
                letters += dead_letter(entry.message, invalid.reason, invalid.detail)
                refused.append(invalid)
        settled = self._appended(records)
        self.settle(
            Settlement(
                entries,
                (),
                letters,
                None if settled is None else lambda connection: tables.write(connection, settled),
            )
        )
        self.settled += len(entries)
        self._meters.messages.inc(len(entries) - len(refused))
        self._meters.records.inc(len(records))
        for each in refused:
            self._meters.dead_letters(each.reason).inc()

    def _appended(self, records: Sequence[Record]) -> Settled | None:
        """Append records as soon as the disk takes them and there is room."""
        while records:
            try:
                settled = self._archive.append(records)
            except (ArchiveFullError, OSError) as error:
                if self.trouble is None:
                    log.error("nothing can be archived: %s", error)
                self.trouble = str(error)
                self.waits = True
                self.wait(RETRY_SECONDS)
            else:
                self.trouble = None
                self.waits = False
                return settled
        return None
