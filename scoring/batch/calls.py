"""Calls of the model, which run in threads of their own while the next messages are read."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec

from scoring.batch.entry import GROUP, Entry
from scoring.batch.job import Job, dead_letter
from scoring.errors import InvalidTelemetry
from scoring.predictions.classifier import THREADS, Classifier
from scoring.predictions.table import Predictions
from scoring.telemetry.items import SingleItem

Numbered = tuple[str, Entry]
Checked = tuple[str, Entry, SingleItem | InvalidTelemetry]

# One more than run waits in line, so that the model need not.
_AHEAD = THREADS + 1


@dataclass(frozen=True, slots=True)
class _ModelCall:
    """Items that are scored together, or found invalid before, with their messages.

    Attributes:
        checked: By message, in their order.
        answers: Answers to those that are valid; None where none is.
        ends: The part that ends with these.
    """

    checked: Sequence[Checked]
    answers: Future[Predictions] | None
    ends: int | None = None


class Calls:
    """Scores part after part, and writes each when it is done.

    Use as a context, at whose end what has been given is written, unless there was an error.
    """

    def __init__(self, classifier: Classifier, job: Job) -> None:
        self._classifier = classifier
        self._job = job
        self._calls: deque[_ModelCall] = deque()
        self._lines: list[bytes] = []
        self._dead: list[dict[str, Any]] = []
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="scoring")

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            while self._calls and kind is None:
                self._settle(self._calls.popleft())
        finally:
            self._threads.shutdown(cancel_futures=True)

    def give(self, entries: Sequence[Numbered]) -> None:
        """Score messages of the part that comes next; waits where enough are being scored already.

        Raises:
            OSError: A part cannot be written.
        """
        checked = [(path, entry, item) for path, entry in entries for item in entry.singles]
        for start in range(0, len(checked), GROUP):
            group = checked[start : start + GROUP]
            answers = self._ask([item for _, _, item in group if not isinstance(item, InvalidTelemetry)])
            self._calls.append(_ModelCall(group, answers))
            while len(self._calls) > _AHEAD:
                self._settle(self._calls.popleft())

    def end_part(self, number: int) -> None:
        """Write what has been given since the last part.

        Raises:
            OSError: It cannot be written.
        """
        self._calls.append(_ModelCall((), None, ends=number))

    def _ask(self, items: Sequence[SingleItem]) -> Future[Predictions] | None:
        if not items:
            return None
        batch = self._classifier.gather(items)
        return self._threads.submit(self._classifier.predict, batch)

    def _settle(self, call: _ModelCall) -> None:
        """Wait for a call's answers."""
        scored = iter(call.answers.result().records() if call.answers else [])
        records: list[dict[str, Any]] = []
        for path, entry, item in call.checked:
            answer = item if isinstance(item, InvalidTelemetry) else next(scored)
            if isinstance(answer, InvalidTelemetry):
                self._dead.append(dead_letter(path, entry, answer))
            else:
                records.append(answer)
        self._lines.append(_ENCODER.encode_lines(records))
        if call.ends is not None:
            self._job.write(call.ends, b"".join(self._lines), self._dead)
            self._lines, self._dead = [], []


_ENCODER = msgspec.json.Encoder()
