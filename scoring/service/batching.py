"""Requests that wait at the same time are scored in one call of the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from scoring.errors import InvalidTelemetry
from scoring.predictions.classifier import THREADS, Classifier
from scoring.predictions.table import JsonObject, Predictions
from scoring.service.limits import Limits
from scoring.service.meters import ServiceMeters
from scoring.service.refusal import come_again, failed, refused
from scoring.service.traffic import Traffic
from scoring.telemetry.batch import Batch
from scoring.telemetry.history import refusals
from scoring.telemetry.items import Item, size
from scoring.telemetry.record import Telemetry

log = logging.getLogger(__name__)

# What the event loop can be kept from its other work without anybody noticing.
_SHORT_SECONDS = 0.001
_RAISED = "scoring %d rows raised"

# What is answered to each item, or the reason why it is not.
Answers = Sequence[JsonObject | InvalidTelemetry]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    items: Sequence[Item]
    rows: int
    whole: bool
    answers: asyncio.Future[Answers]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """Requests that are scored in one call of the model, and all of their rows."""

    requests: Sequence[_Request]
    batch: Batch

    def spans(self) -> Iterator[tuple[_Request, int, int]]:
        """Each request, and where its rows stand in the batch."""
        end = 0
        for request in self.requests:
            start, end = end, end + request.rows
            yield request, start, end


class Batcher:
    """Collects items of all requests and has them scored in threads; the event loop alone touches the histories.

    Use as `async with`; requests that are waiting at the end are still answered.
    """

    def __init__(self, classifier: Classifier, limits: Limits, meters: ServiceMeters, traffic: Traffic) -> None:
        """Prepare to collect.

        Args:
            classifier: Scores, and holds the histories.
            limits: How much may wait, and for how long.
            meters: Show how much waits, and count calls.
            traffic: Tells whether others are under way.
        """
        self._traffic = traffic
        self._classifier = classifier
        self._limits = limits
        self._meters = meters
        self._requests: deque[_Request] = deque()
        self._running_calls: deque[tuple[_Call, asyncio.Future[Predictions]]] = deque()
        self._alone: deque[_Call] = deque()
        """Requests of a call that failed: one of them may have spoilt it for the others."""
        self._waiting = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = False
        self._row_seconds = float("inf")
        """How long the last call took for each row; the first goes to the thread."""
        meters.gauge("waiting_rows", "Rows that wait for the model, a trajectory's one by one", lambda: self._waiting)
        meters.gauge("waiting_rows_limit", "How many may wait; more are told to come again", lambda: limits.waiting)

    async def __aenter__(self) -> Batcher:
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="scoring")
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        self._changed.set()
        await self._work
        self._threads.shutdown()

    @property
    def alive(self) -> bool:
        """Whether items are being scored."""
        return not self._work.done()

    async def score(self, items: Sequence[Item]) -> Answers:
        """Score the items of one request: all of them, or none.

        Raises:
            Refusal: A history refuses one, too many wait already, or it has waited for too long.
        """
        rows = sum(map(size, items))
        # An empty queue takes any request, or one as large as the queue could never be served.
        if self._requests and self._waiting + rows > self._limits.waiting:
            raise come_again("overloaded", f"{self._waiting} rows are waiting; come again a little later")
        if self._traffic.is_one_request:
            if not self._traffic.is_one_caller:
                # Whoever has come at the same time begins to run.
                await asyncio.sleep(0)
            if self._is_short(rows):
                return self._score_now(items, rows)
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._enqueue(items, rows, whole=True)
        except TimeoutError as error:
            told = f"no answer in {self._limits.seconds:g} s; come again a little later"
            raise come_again("overloaded", told) from error

    async def submit(self, items: Sequence[Item]) -> asyncio.Future[Answers]:
        """Put items of a stream in the queue, each scored for itself; wait until half of the queue is free.

        The other half is for those that cannot wait.
        """
        while self._waiting > self._limits.waiting // 2:
            self._room.clear()
            await self._room.wait()
        return self._enqueue(items, sum(map(size, items)), whole=False)

    def _enqueue(self, items: Sequence[Item], rows: int, *, whole: bool) -> asyncio.Future[Answers]:
        answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._requests.append(_Request(items, rows, whole, answers))
        self._waiting += rows
        self._changed.set()
        return answers

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._requests or self._alone or self._running_calls or not self._ending:
            self._changed.clear()
            if self._running_calls and self._running_calls[0][1].done():
                self._answer(*self._running_calls.popleft())
            elif self._may_call():
                if self._limits.linger_seconds:
                    await self._linger()
                call = self._alone.popleft() if self._alone else self._take()
                if call.requests:
                    predictions = loop.run_in_executor(self._threads, self._predict, call.batch)
                    predictions.add_done_callback(lambda _: self._changed.set())
                    self._running_calls.append((call, predictions))
            else:
                await self._changed.wait()

    def _answer(self, call: _Call, predictions: asyncio.Future[Predictions]) -> None:
        try:
            scored = self._answers(predictions.result(), [item for request in call.requests for item in request.items])
        except Exception:
            if len(call.requests) > 1:
                self._alone += [_Call([request], call.batch.part(start, end)) for request, start, end in call.spans()]
                return
            (request,) = call.requests
            log.exception(_RAISED, request.rows)
            if not request.answers.done():
                request.answers.set_exception(failed())
            return
        answers = iter(scored)
        for request in call.requests:
            of_request = list(islice(answers, len(request.items)))
            if not request.answers.done():
                request.answers.set_result(of_request)

    def _may_call(self) -> bool:
        """While the model works, requests gather; only full batches are scored beside it, and one waits in line."""
        if self._alone or not self._running_calls:
            return bool(self._alone or self._requests)
        return len(self._running_calls) <= THREADS and self._waiting >= self._limits.batch

    def _is_short(self, rows: int) -> bool:
        """Whether scoring takes so little time that it is not worth to be handed to the thread and back.

        That is so only for the one request that is running: with others, reading them goes on meanwhile.
        """
        return (
            self._traffic.is_one_request
            and not self._running_calls
            and not self._requests
            and not self._limits.linger_seconds
            and rows * self._row_seconds < _SHORT_SECONDS
        )

    async def _linger(self) -> None:
        """Wait until a full batch has gathered, or the time for it is over."""
        try:
            async with asyncio.timeout(self._limits.linger_seconds):
                while self._waiting < self._limits.batch and not self._ending:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _take(self) -> _Call:
        """The requests that have waited longest, up to a full batch, but at least one."""
        requests: list[_Request] = []
        rows = 0
        while self._requests and (not rows or rows + self._requests[0].rows <= self._limits.batch):
            request = self._requests.popleft()
            self._waiting -= request.rows
            # Whoever asked has gone.
            if not request.answers.done():
                requests.append(request)
                rows += request.rows
        self._room.set()
        batch = self._classifier.batch(rows)
        return _Call([request for request in requests if self._is_taken_in(request, batch)], batch)

    def _is_taken_in(self, request: _Request, batch: Batch) -> bool:
        """Add a request to a batch, or refuse it where it is scored whole or not at all and a history refuses some."""
        stale = self._stale(request.items) if request.whole else {}
        if stale:
            request.answers.set_exception(refused(stale))
        else:
            batch.add(request.items, self._classifier.history)
        return not stale

    def _stale(self, items: Sequence[Item]) -> dict[int, InvalidTelemetry]:
        records = ((row, item) for row, item in enumerate(items) if isinstance(item, Telemetry))
        return refusals(self._classifier.history, records)

    def _score_now(self, items: Sequence[Item], rows: int) -> Answers:
        """Score the items of one request.

        Raises:
            Refusal: A history refuses one.
        """
        stale = self._stale(items)
        if stale:
            raise refused(stale)
        batch = self._classifier.batch(rows)
        batch.add(items, self._classifier.history)
        try:
            return self._answers(self._predict(batch), items)
        except Exception as error:
            log.exception(_RAISED, rows)
            raise failed() from error

    def _predict(self, batch: Batch) -> Predictions:
        started = time.perf_counter()
        predictions = self._classifier.predict(batch)
        seconds = time.perf_counter() - started
        self._row_seconds = seconds / len(predictions)
        self._meters.call_seconds.observe(seconds)
        self._meters.batch_rows.observe(len(predictions))
        return predictions

    def _answers(self, predictions: Predictions, items: Sequence[Item]) -> Answers:
        answers = predictions.answers(items)
        self._meters.count(predictions)
        return answers
