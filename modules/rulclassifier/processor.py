"""Takes messages from the journal, scores what waits in one call, and settles them in one transaction."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass

from modules.edge.hub.dead_letter import dead_letter
from modules.edge.journal import Incoming, Journal, JournalBrokenError, JournalError, Settlement
from modules.edge.journal.outbox import Outbox
from modules.edge.journal.worker import RETRY_SECONDS, Stopping, Worker
from modules.rulclassifier.archiving import Archiving
from modules.rulclassifier.continuity import CONFIRM_SECONDS, JUMP, Continuity, Ticket
from modules.rulclassifier.histories import Histories
from modules.rulclassifier.meters import Meters
from modules.rulclassifier.part import MORE_ROWS, NO_ARCHIVE, Part, PartResult
from modules.rulclassifier.request import Request
from scoring.errors import InvalidTelemetry, Reason
from scoring.names import ENGINE
from scoring.predictions.classifier import MAX_BATCH, Classifier
from scoring.telemetry.batch import Batch
from scoring.telemetry.record import Sender, Telemetry

log = logging.getLogger(__name__)

# How often a message is tried on which scoring raises, or the process ends.
ATTEMPTS = 3
# What a prediction and its alert take at most: twice what is passed on of a sender's properties, and the bodies.
_ANSWERS_BYTES = 12_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What becomes of readings that are not what is expected.

    Attributes:
        jump: How many cycles a reading may be ahead without being held back.
        confirm_seconds: How long one is held back.
        unnamed_is_device: A module's reading that names no engine is one of the edge device itself.
        archiving: Which readings are sent to be archived.
    """

    jump: int = JUMP
    confirm_seconds: float = CONFIRM_SECONDS
    unnamed_is_device: bool = False
    archiving: Archiving = NO_ARCHIVE


DEFAULT_RULES = Rules()


class Processor(Worker):
    """The one thread in which messages are parsed, scored and settled."""

    def __init__(
        self,
        journal: Journal,
        classifier: Classifier,
        meters: Meters,
        outbox: Outbox,
        rules: Rules = DEFAULT_RULES,
    ) -> None:
        """Prepare the thread.

        Args:
            journal: Where messages come from and answers go to.
            classifier: Scores them; its histories are filled from the journal here.
            meters: Count what is done.
            outbox: Told what is to be sent, and asked what was.
            rules: What becomes of readings that are not what is expected.
        """
        super().__init__("processor", journal, outbox)
        self.dead_letters = 0
        """How many of them have been dead-lettered."""
        signature = classifier.model.signature
        self.continuity = Continuity(classifier.history, rules.jump, rules.confirm_seconds)
        self._classifier = classifier
        self._meters = meters
        self._unnamed_is_device = rules.unnamed_is_device
        self._archiving = rules.archiving
        self._histories = Histories(journal, signature.form, classifier.model.version, classifier.history)
        self._rows = max(1, min(MAX_BATCH, journal.reserve // _ANSWERS_BYTES))
        # One for all parts, which follow each other: a new one each time would be mapped and unmapped by the system.
        self._room = classifier.room(self._rows + MORE_ROWS)
        self._reasons: dict[str, int] = {}
        self._restore()

    def work(self) -> None:
        """Score what waits."""
        entries = self._take()
        if len(entries) == 1 and self._journal.is_leftover(entries[0]):
            self._process_alone(entries[0])
        else:
            self._process_together(entries)

    def _take(self) -> list[Incoming]:
        try:
            return self._journal.take(MAX_BATCH, self._journal.reserve // 4)
        except JournalBrokenError:
            raise
        except JournalError:
            self.wait(RETRY_SECONDS)
            return []

    def _process_together(self, entries: Sequence[Incoming]) -> None:
        try:
            self._process(entries)
        except (Stopping, JournalError):
            raise
        except Exception as error:
            log.exception("scoring %d messages raised; trying each alone", len(entries))
            self.trouble = f"scoring raises: {error}"
            self._restore()
            for entry in entries:
                self._process_alone(entry)

    def _process_alone(self, entry: Incoming) -> None:
        """Score one message that may be poison: each attempt is counted on disk before it is made."""
        for attempt in range(entry.attempts + 1, ATTEMPTS + 1):
            # Parts of it may have been settled since it was taken, or all of it.
            rest = self._journal.entry(entry.seq)
            if rest is None or rest.waits:
                return
            self._begin(entry)
            try:
                self._process([rest])
            except (Stopping, JournalError):
                raise
            except Exception as error:
                log.exception("scoring message %d raised, attempt %d of %d", entry.seq, attempt, ATTEMPTS)
                self.trouble = f"scoring raises: {error}"
                self._restore()
            else:
                return
        rest = self._journal.entry(entry.seq)
        if rest is not None:
            self._settle_poison(rest)

    def _begin(self, entry: Incoming) -> None:
        while True:
            try:
                self._journal.begin(entry)
            except JournalBrokenError:
                raise
            except JournalError:
                self.wait(RETRY_SECONDS)
            else:
                return

    def _settle_poison(self, entry: Incoming) -> None:
        detail = f"scoring it failed {ATTEMPTS} times"
        letters = dead_letter(entry.message, Reason.SCORING_FAILED, detail)
        held = self.continuity.drop(entry.seq)
        self.settle(
            Settlement([entry], (), letters, lambda connection: self._histories.write_held(connection, [], held))
        )
        self._count(PartResult(dead=[(Reason.SCORING_FAILED, detail, entry.message.sender)]), messages=1)

    def _process(self, entries: Sequence[Incoming]) -> None:
        """Score messages and settle them, in as many parts as their records need."""
        part = self._part()
        for entry in entries:
            request = Request.of(entry, self._parse(entry))
            while not request.is_whole:
                if part.is_full:
                    self._finish(part)
                    part = self._part()
                part.take(request)
            part.end(request)
        self._finish(part)

    def _part(self) -> Part:
        return Part(
            self._classifier, self.continuity, self._journal.entry, Batch(self._room), self._rows, self._archiving
        )

    def _finish(self, part: Part) -> None:
        """Score a part and settle it."""
        started = time.perf_counter()
        outcome = part.score()
        self._meters.scoring.observe(time.perf_counter() - started)
        waiting = self.continuity.messages
        done: list[Incoming] = []
        progress: list[tuple[Incoming, str, bool]] = []
        for request in part.requests.values():
            if request not in part.whole:
                progress.append((request.entry, request.progress, False))
            elif request.entry.seq in waiting:
                progress.append((request.entry, request.progress, True))
            else:
                done.append(request.entry)
        if part.released:
            done += self._no_longer_waiting(part, waiting)

        def write(connection: sqlite3.Connection) -> None:
            self._histories.write(connection, outcome.changes)
            self._histories.write_held(connection, part.held, part.released)

        self.settle(Settlement(done, progress, outcome.messages, write))
        self.trouble = None
        self._count(outcome, len(part.whole))

    def _no_longer_waiting(self, part: Part, waiting: set[int]) -> list[Incoming]:
        """Messages that have waited for records alone which have all been answered now."""
        released = {seq for seq, _ in part.released} - part.requests.keys() - waiting
        entries = (self._journal.entry(seq) for seq in sorted(released))
        return [each for each in entries if each is not None]

    def keep_time(self) -> None:
        """Answer what has been held back for too long, or all of it where the journal fills up with it."""
        if not len(self.continuity):
            return
        is_filling = self._journal.inbox_bytes > (self._journal.limit - self._journal.reserve) // 2
        overdue = self.continuity.give_up() if is_filling else self.continuity.overdue()
        for start in range(0, len(overdue), self._rows):
            part = self._part()
            part.give_up(overdue[start : start + self._rows])
            self._finish(part)

    def _parse(self, entry: Incoming) -> Sequence[Telemetry | InvalidTelemetry]:
        try:
            return self._classifier.parser.parse(entry.message.body, self._sender(entry))
        except InvalidTelemetry as invalid:
            return [invalid]

    def _sender(self, entry: Incoming) -> Sender:
        """Who speaks for which engine: a device for itself, a module for any, or for the one that its message names.

        Raises:
            InvalidTelemetry: A device's message names another engine.
        """
        message = entry.message
        named = message.properties.get(ENGINE)
        if not message.is_from_module:
            if named not in {None, message.device}:
                raise InvalidTelemetry(
                    Reason.FOREIGN_ENGINE,
                    f"the message's property {ENGINE} names {named[:40]!r}, its sender speaks for "
                    f"{message.device!r} only",
                    ENGINE,
                )
            return Sender(message.device, name=message.sender)
        if named:
            return Sender(named, name=message.sender)
        unnamed = message.device if self._unnamed_is_device else ""
        return Sender(unnamed, is_module=True, name=message.sender)

    def _count(self, outcome: PartResult, messages: int) -> None:
        """Count what has been settled, once."""
        for label in outcome.labels:
            self._meters.predictions(label).inc()
        self._meters.messages.inc(messages)
        self._meters.new_lives.inc(outcome.new_lives)
        self.settled += messages
        for reason, detail, sender in outcome.dead:
            self._meters.dead_letters(reason).inc()
            self.dead_letters += 1
            count = self._reasons[reason] = self._reasons.get(reason, 0) + 1
            # The first, the tenth, the hundredth: seen at once, and never a flood.
            if str(count).strip("0") == "1":
                log.warning("dead letter %d because of %s, from %s: %s", count, reason, sender, detail)

    def _restore(self) -> None:
        """Remember what is on disk, and nothing else."""
        self._histories.restore()
        self.continuity.give_up()
        parsed: dict[int, Sequence[Telemetry | InvalidTelemetry]] = {}
        lost: list[tuple[int, int]] = []
        for seq, number, since in self._histories.held():
            if seq not in parsed:
                entry = self._journal.entry(seq)
                parsed[seq] = self._parse(entry) if entry else []
            record = parsed[seq][number] if number < len(parsed[seq]) else None
            if isinstance(record, Telemetry):
                self.continuity.hold(Ticket(seq, number, since, record))
            else:
                lost.append((seq, number))
        if lost:
            with self._journal.memory() as connection:
                self._histories.write_held(connection, [], lost)
        self._wake()

    def _wake(self) -> None:
        """Take up messages that wait for records of which the note is lost; each record has its answer, or another."""
        waiting = set(self._journal.waiting()) - self.continuity.messages
        found = (self._journal.entry(seq) for seq in sorted(waiting))
        entries = [each for each in found if each is not None]
        if entries:
            self._journal.settle(Settlement(progress=[(each, "", False) for each in entries]))
