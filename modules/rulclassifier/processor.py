"""Takes messages from the journal, scores what waits in one call, and settles them in one transaction."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from modules.edge.journal import Entry, HistoryChanges, Journal, JournalError
from modules.edge.message import OutputMessage
from modules.edge.outbox import Outbox
from modules.rulclassifier import answers
from modules.rulclassifier.meters import Meters
from scoring.classifier import MAX_BATCH, Classifier
from scoring.errors import InvalidTelemetry
from scoring.telemetry import Reason, Sender, Telemetry

log = logging.getLogger(__name__)

# How often a message is tried on which scoring raises, or the process ends.
ATTEMPTS = 3
# How soon the thread sees that it is to stop, where nothing arrives.
IDLE_SECONDS = 0.5
# After the disk refused: often enough to be back soon, seldom enough not to wear anything.
RETRY_SECONDS = 5.0


class Processor(threading.Thread):
    """The one thread in which messages are parsed, scored and settled."""

    def __init__(self, journal: Journal, classifier: Classifier, meters: Meters, outbox: Outbox) -> None:
        """Prepare the thread.

        Args:
            journal: Where messages come from and answers go to.
            classifier: Scores them; its histories are filled from the journal here.
            meters: Count what is done.
            outbox: Told what is to be sent, and asked what was.
        """
        super().__init__(name="processor", daemon=True)
        self._journal = journal
        self._classifier = classifier
        self._meters = meters
        self._outbox = outbox
        self.settled = 0
        """How many messages have been settled since the start."""
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._restore()

    def stop(self) -> None:
        """Finish the batch in hand, and end."""
        self._stopping.set()
        self.join()
        self._clear_sent()

    async def watch(self) -> None:
        """Wait for the thread to end.

        Raises:
            RuntimeError: It ended by itself.
        """
        while self.is_alive():  # noqa: ASYNC110 - a thread that is killed by an error sets no event
            await asyncio.sleep(IDLE_SECONDS)
        raise RuntimeError("the processing thread has ended") from self._failure

    def run(self) -> None:
        """Process until told to stop."""
        try:
            while not self._stopping.is_set():
                if self._journal.wait(IDLE_SECONDS):
                    self._process_next()
                else:
                    self._clear_sent()
        except BaseException as error:
            self._failure = error
            raise

    def _process_next(self) -> None:
        entries = self._journal.take(MAX_BATCH)
        try:
            if len(entries) == 1 and self._journal.is_leftover(entries[0]):
                self._process_alone(entries[0])
            else:
                self._process_together(entries)
        except JournalError as error:
            log.error("%s; trying again in %g s", error, RETRY_SECONDS)
            self._stopping.wait(RETRY_SECONDS)

    def _process_together(self, entries: Sequence[Entry]) -> None:
        try:
            replies = self._reply(entries)
        except Exception:
            log.exception("scoring %d messages raised; trying each alone", len(entries))
            for entry in entries:
                self._process_alone(entry)
        else:
            self._settle(entries, *replies)

    def _process_alone(self, entry: Entry) -> None:
        """Score one message that may be poison: each attempt is counted on disk before it is made."""
        for attempt in range(entry.attempts + 1, ATTEMPTS + 1):
            self._journal.begin(entry)
            try:
                replies = self._reply([entry])
            except Exception:
                log.exception("scoring message %d raised, attempt %d of %d", entry.seq, attempt, ATTEMPTS)
            else:
                self._settle([entry], *replies)
                return
        poison = InvalidTelemetry(Reason.SCORING_FAILED, f"scoring it failed {ATTEMPTS} times")
        self._settle([entry], self._dead_letter(entry, [poison]), [])

    def _reply(self, entries: Sequence[Entry]) -> tuple[list[OutputMessage], list[Telemetry]]:
        """Answers to messages in their order, and the records that entered the histories."""
        parsed = [self._parse(entry) for entry in entries]
        valid = [record for records in parsed for record in records if isinstance(record, Telemetry)]
        started = time.perf_counter()
        scored = iter(self._classifier.score(valid))
        self._meters.scoring.observe(time.perf_counter() - started)
        replies: list[OutputMessage] = []
        for entry, records in zip(entries, parsed, strict=True):
            refused = []
            for record in records:
                answer = next(scored) if isinstance(record, Telemetry) else record
                if isinstance(answer, InvalidTelemetry):
                    refused.append(answer)
                else:
                    self._meters.predictions(answer.label or "").inc()
                    replies += answers.prediction(entry.message, answer)
            if refused:
                replies += self._dead_letter(entry, refused)
        return replies, valid

    def _parse(self, entry: Entry) -> list[Telemetry | InvalidTelemetry]:
        message = entry.message
        try:
            return self._classifier.parser.parse(message.body, Sender(message.device, message.is_from_module))
        except InvalidTelemetry as invalid:
            return [invalid]

    def _dead_letter(self, entry: Entry, reasons: list[InvalidTelemetry]) -> list[OutputMessage]:
        self._meters.dead_letters(reasons[0].reason).inc()
        return list(answers.dead_letter(entry.message, reasons))

    def _settle(self, entries: Sequence[Entry], replies: list[OutputMessage], records: list[Telemetry]) -> None:
        sent = self._outbox.take_acknowledged()
        added = self._journal.settle(entries, replies, self._history_changes(records), sent)
        self._outbox.offer(added)
        self._classifier.history.evicted.clear()
        self._meters.messages.inc(len(entries))
        self.settled += len(entries)

    def _clear_sent(self) -> None:
        """Where no settlement takes it along: take what was sent out of the journal."""
        sent = self._outbox.take_acknowledged()
        if sent:
            try:
                self._journal.sent(sent)
            except JournalError as error:
                log.error("%s; %d messages will be sent again after a restart", error, len(sent))

    def _history_changes(self, records: list[Telemetry]) -> HistoryChanges:
        history = self._classifier.history
        rows = []
        spans = {}
        for record in records:
            newest = history.newest(record.engine)
            # Gone again within this batch, or the life of an engine that has begun anew since.
            if newest is None or not newest - history.window < record.cycle <= newest:
                continue
            spans[record.engine] = (record.engine, newest - history.window + 1, newest)
            rows.append((record.engine, record.cycle, record.values.tobytes()))
        return HistoryChanges(rows, list(spans.values()), list(history.evicted))

    def _restore(self) -> None:
        signature = self._classifier.model.signature
        rows = self._journal.history(",".join(signature.field_names))
        self._classifier.history.restore(rows)
        log.info("restored the histories of %d engines", len(self._classifier.history))
