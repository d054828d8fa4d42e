"""Requests that wait at the same time are scored in one call of the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate

from scoring.classifier import Batch, Classifier
from scoring.history import refusals
from scoring.items import Item
from scoring.predictions import Predictions
from scoring.service.limits import Limits
from scoring.service.meters import Meters
from scoring.service.refusal import Refusal, come_again, failed, refused
from scoring.telemetry import Telemetry

log = logging.getLogger(__name__)

# What the event loop can be kept from its other work without anybody noticing.
_SHORT_SECONDS = 0.001


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    items: Sequence[Item]
    whole: bool
    answers: asyncio.Future[Predictions]


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    """Requests that are scored in one call of the model, each with the windows that the model is to see."""

    requests: Sequence[_Request]
    batches: Sequence[Batch]

    def answer(self, answers: Sequence[Predictions | Refusal]) -> None:
        for request, answer in zip(self.requests, answers, strict=True):
            if request.answers.done():
                continue
            if isinstance(answer, Refusal):
                request.answers.set_exception(answer)
            else:
                request.answers.set_result(answer)


class Batcher:
    """Collects items of all requests and has them scored by one thread; the event loop alone touches the histories.

    Use as `async with`; requests that are waiting at the end are still answered.
    """

    def __init__(self, classifier: Classifier, limits: Limits, meters: Meters, running: Callable[[], int]) -> None:
        """Prepare to collect.

        Args:
            classifier: Scores, and holds the histories.
            limits: How much may wait, and for how long.
            meters: Show how much waits, and count calls.
            running: How many requests are being read, scored or answered.
        """
        self._running = running
        self._classifier = classifier
        self._limits = limits
        self._meters = meters
        self._requests: deque[_Request] = deque()
        self._calls: deque[tuple[_Call, asyncio.Future[list[Predictions | Refusal]]]] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ending = False
        self._row_seconds = float("inf")
        """How long the last call took for each row; the first goes to the thread."""
        meters.gauge("waiting_rows", "Records and windows that wait for the model", lambda: self._waiting)
        meters.gauge("waiting_rows_limit", "How many may wait; more are told to come again", lambda: limits.waiting)

    async def __aenter__(self) -> Batcher:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring")
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        self._changed.set()
        await self._work
        self._thread.shutdown()

    @property
    def alive(self) -> bool:
        """Whether items are being scored."""
        return not self._work.done()

    async def score(self, items: Sequence[Item]) -> Predictions:
        """Score the items of one request: all of them, or none.

        Raises:
            Refusal: A history refuses one, or too many wait already.
        """
        # An empty queue takes any request, or one as large as the queue could never be served.
        if self._requests and self._waiting + len(items) > self._limits.waiting:
            raise come_again(
                "overloaded", f"{self._waiting} records and windows are waiting; come again a little later"
            )
        if self._is_short(items):
            (answer,) = self._score([self._taken_in(items, whole=True)])
            if isinstance(answer, Refusal):
                raise answer
            return answer
        return await self._enqueue(items, whole=True)

    async def submit(self, items: Sequence[Item]) -> asyncio.Future[Predictions]:
        """Put items of a stream in the queue, each scored for itself; wait until half of the queue is free.

        The other half is for those that cannot wait.
        """
        while self._waiting > self._limits.waiting // 2:
            self._room.clear()
            await self._room.wait()
        return self._enqueue(items, whole=False)

    def _enqueue(self, items: Sequence[Item], *, whole: bool) -> asyncio.Future[Predictions]:
        answers: asyncio.Future[Predictions] = asyncio.get_running_loop().create_future()
        self._requests.append(_Request(items, whole, answers))
        self._waiting += len(items)
        self._changed.set()
        return answers

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._requests or self._calls or not self._ending:
            self._changed.clear()
            if self._calls and self._calls[0][1].done():
                call, answers = self._calls.popleft()
                call.answer(answers.result())
            elif self._requests and self._may_call():
                if self._limits.linger_seconds:
                    await self._linger()
                call = self._take()
                if call.requests:
                    answers = loop.run_in_executor(self._thread, self._score, call.batches)
                    answers.add_done_callback(lambda _: self._changed.set())
                    self._calls.append((call, answers))
            else:
                await self._changed.wait()

    def _may_call(self) -> bool:
        """While the model works, requests gather; only a full batch is put in line behind the one in work."""
        return not self._calls or (len(self._calls) == 1 and self._waiting >= self._limits.batch)

    def _is_short(self, items: Sequence[Item]) -> bool:
        """Whether scoring takes so little time that it is not worth to be handed to the thread and back.

        That is so only for the one request that is running: with others, reading them goes on meanwhile.
        """
        return (
            self._running() == 1
            and not self._calls
            and not self._requests
            and not self._limits.linger_seconds
            and len(items) * self._row_seconds < _SHORT_SECONDS
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
        batches: list[Batch] = []
        rows = 0
        while self._requests and (not rows or rows + len(self._requests[0].items) <= self._limits.batch):
            request = self._requests.popleft()
            self._waiting -= len(request.items)
            # Whoever asked has gone.
            if request.answers.done():
                continue
            try:
                batches.append(self._taken_in(request.items, whole=request.whole))
            except Refusal as refusal:
                request.answers.set_exception(refusal)
                continue
            requests.append(request)
            rows += len(request.items)
        self._room.set()
        return _Call(requests, batches)

    def _taken_in(self, items: Sequence[Item], *, whole: bool) -> Batch:
        """The windows of a request's items, once the histories have them.

        Raises:
            Refusal: A history refuses one of a request that is scored whole or not at all.
        """
        history = self._classifier.history
        if whole:
            stale = refusals(history, ((row, item) for row, item in enumerate(items) if isinstance(item, Telemetry)))
            if stale:
                raise refused(stale)
        batch = self._classifier.gather(items)
        history.evicted.clear()
        return batch

    def _score(self, batches: Sequence[Batch]) -> list[Predictions | Refusal]:
        """Ask the model, in one call."""
        started = time.perf_counter()
        try:
            predictions = self._classifier.predict(Batch.joined(batches))
        except Exception:
            if len(batches) == 1:
                log.exception("scoring %d records and windows raised", len(batches[0].items))
                return [failed()]
            return [answer for batch in batches for answer in self._score([batch])]
        seconds = time.perf_counter() - started
        self._row_seconds = seconds / len(predictions)
        self._meters.call_seconds.observe(seconds)
        self._meters.batch_rows.observe(len(predictions))
        ends = list(accumulate(len(batch.items) for batch in batches))
        return [predictions[end - len(batch.items) : end] for end, batch in zip(ends, batches, strict=True)]
