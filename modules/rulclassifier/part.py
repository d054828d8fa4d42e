"""What is scored in one call of the model and settled in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from modules.edge.hub.dead_letter import dead_letter
from modules.edge.hub.message import InputMessage, OutputMessage
from modules.edge.journal import Incoming
from modules.rulclassifier import replies
from modules.rulclassifier.archiving import Archiving
from modules.rulclassifier.continuity import MAX_OF_ENGINE, Continuity, Ticket
from modules.rulclassifier.contracts import CONFIRMED_JUMP, NEW_LIFE
from modules.rulclassifier.request import Request
from scoring.errors import InvalidTelemetry, Reason
from scoring.model.signature import FloatArray
from scoring.predictions.classifier import Classifier
from scoring.predictions.table import Answer, Predictions
from scoring.telemetry.batch import Batch
from scoring.telemetry.history import Change, Kept
from scoring.telemetry.record import Telemetry

# More may come in the step that fills a part: what was held back until then.
MORE_ROWS = MAX_OF_ENGINE + 1
NO_ARCHIVE = Archiving()


@dataclass(slots=True)
class PartResult:
    """What a part comes to.

    Attributes:
        messages: Answers, in order.
        changes: What has changed in the histories, in order.
        labels: The class of each prediction; "" where there is none.
        dead: Reason, detail and sender of each message that is dead-lettered.
        new_lives: How many engines were replaced.
    """

    messages: list[OutputMessage] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    dead: list[tuple[str, str, str]] = field(default_factory=list)
    new_lives: int = 0


class Part:
    """Records on their way into one call of the model, and the messages that they end."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a part is made with
        self,
        classifier: Classifier,
        continuity: Continuity,
        read: Callable[[int], Incoming | None],
        batch: Batch,
        rows: int,
        archiving: Archiving = NO_ARCHIVE,
    ) -> None:
        """Begin a part.

        Args:
            classifier: Scores.
            continuity: Holds records back.
            read: Reads a message that waits in the inbox for its records.
            batch: An empty one, with room for `MORE_ROWS` more than it takes.
            rows: How many records it takes.
            archiving: Which of them are archived with their predictions.
        """
        self.held: list[Ticket] = []
        """Records that are held back from now on."""
        self.released: list[tuple[int, int]] = []
        """Message and number of records that were held back, and are answered now."""
        self.requests: dict[int, Request] = {}
        """The messages whose records it takes, by their place."""
        self.whole: list[Request] = []
        """Those that it has taken to their end."""
        self._classifier = classifier
        self._continuity = continuity
        self._read = read
        self._rows = rows
        self._batch = batch
        self._archiving = archiving
        self._tickets: list[Ticket] = []
        self._notes: dict[int, str] = {}
        # What is to be answered, in order: a row of the batch, a record that is given up, a message at its end.
        self._steps: list[int | Ticket | Request] = []
        self._ended: set[Request] = set()

    @property
    def is_full(self) -> bool:
        """Whether it takes no more."""
        return len(self._tickets) >= self._rows

    def take(self, request: Request) -> None:
        """Take the next record of a message."""
        self.requests[request.entry.seq] = request
        record = request.records[request.done]
        if isinstance(record, InvalidTelemetry):
            request.refuse(record)
        else:
            self._admit(Ticket(request.entry.seq, request.done, 0.0, record))
        request.done += 1

    def end(self, request: Request) -> None:
        """Note that a message has no more records."""
        self.requests[request.entry.seq] = request
        self.whole.append(request)
        self._steps.append(request)

    def give_up(self, tickets: Sequence[Ticket]) -> None:
        """Take records that nothing has confirmed."""
        self._steps += tickets
        self.released += [(each.seq, each.number) for each in tickets]

    def score(self) -> PartResult:
        """Score what it has taken, and make the answers in the order in which it was taken."""
        outcome = PartResult()
        scored: list[Answer] = []
        if self._tickets:
            predictions = self._classifier.predict(self._batch)
            scored = predictions.each([each.record for each in self._tickets])
            self._remember(predictions, scored, outcome)
        for step in self._steps:
            if isinstance(step, Request):
                self._end(step, outcome)
            elif isinstance(step, Ticket):
                self._refuse(step, _unconfirmed(step.record), outcome)
            else:
                self._answer(step, scored[step], outcome)
        return outcome

    def _admit(self, ticket: Ticket) -> None:
        if self._continuity.is_next(ticket.record):
            self._insert(ticket, is_released=False)
            return
        admission = self._continuity.admit(ticket)
        self.give_up(admission.given_up)
        if admission.held is not None:
            self.held.append(admission.held)
        for each in admission.admitted:
            self._insert(each, is_released=each is not ticket)
        for each in self._continuity.caught_up(ticket.record.engine):
            self._insert(each, is_released=True)

    def _insert(self, ticket: Ticket, *, is_released: bool) -> None:
        if is_released:
            self.released.append((ticket.seq, ticket.number))
            self._notes[len(self._tickets)] = CONFIRMED_JUMP
        self._steps.append(len(self._tickets))
        self._tickets.append(ticket)
        self._batch.add([ticket.record], self._classifier.history)

    def _remember(self, predictions: Predictions, scored: Sequence[Answer], outcome: PartResult) -> None:
        self._classifier.remember(self._batch, predictions)
        for row, answer in enumerate(scored):
            known = None if isinstance(answer, InvalidTelemetry) else predictions.packed[row]
            outcome.changes += (_answered(each, known) for each in self._batch.changes[row])

    def _answer(self, row: int, answer: Answer, outcome: PartResult) -> None:
        ticket = self._tickets[row]
        if isinstance(answer, InvalidTelemetry):
            self._refuse(ticket, answer, outcome)
            return
        note = self._notes.get(row, "")
        if row in self._batch.replaced:
            note = NEW_LIFE
            outcome.new_lives += 1
        message = self._message(ticket)
        if message is not None:
            outcome.labels.append(answer.label or "")
            outcome.messages += replies.prediction(message, answer, note)
            if self._archiving.takes(answer):
                outcome.messages.append(replies.archived(message, ticket.number, answer))

    def _end(self, request: Request, outcome: PartResult) -> None:
        self._ended.add(request)
        letters = request.dead_letter()
        if letters:
            outcome.messages += letters
            outcome.dead.append((request.reason, request.detail, request.entry.message.sender))

    def _refuse(self, ticket: Ticket, invalid: InvalidTelemetry, outcome: PartResult) -> None:
        """Refuse a record: with its message, or by itself, where the others of its message have been answered."""
        request = self.requests.get(ticket.seq)
        if request is not None and request not in self._ended:
            request.refuse(invalid)
            return
        message = self._message(ticket)
        if message is not None:
            outcome.messages += dead_letter(message, invalid.reason, invalid.detail, record=ticket.number)
            outcome.dead.append((invalid.reason, invalid.detail, message.sender))

    def _message(self, ticket: Ticket) -> InputMessage | None:
        request = self.requests.get(ticket.seq)
        if request is not None:
            return request.entry.message
        entry = self._read(ticket.seq)
        # Damaged since, and put aside with a line in the log.
        return None if entry is None else entry.message


def _unconfirmed(record: Telemetry) -> InvalidTelemetry:
    return InvalidTelemetry(
        Reason.UNCONFIRMED_JUMP,
        f"cycle {record.cycle} of {record.engine} is far ahead, and no reading has confirmed it",
    )


def _answered(change: Change, answer: FloatArray | None) -> Change:
    """A change with what was answered to it, if that was not known when it was made."""
    if isinstance(change, Kept) and change.answer is None:
        return Kept(change.engine, change.cycle, change.values, answer, change.oldest)
    return change
