"""Requests that wait at the same time are scored in one call of the model."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from scoring.classifier import Classifier
from scoring.errors import InvalidTelemetry
from scoring.history import Preview
from scoring.items import Item
from scoring.prediction import Prediction
from scoring.service.limits import Limits
from scoring.service.meters import Meters
from scoring.service.refusal import Refusal, come_again, failed, refused
from scoring.telemetry import Telemetry

log = logging.getLogger(__name__)

# What the event loop can be kept from its other work without anybody noticing.
_SHORT_SECONDS = 0.001

Answers = list[Prediction | InvalidTelemetry]


@dataclass(frozen=True, slots=True, eq=False)
class _Request:
    items: Sequence[Item]
    whole: bool
    answers: asyncio.Future[Answers]


class Batcher:
    """Collects items of all requests and has them scored by one thread, which alone touches the histories.

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

    async def score(self, items: Sequence[Item]) -> Answers:
        """Score the items of one request: all of them, or none.

        Raises:
            Refusal: A history refuses one, or too many wait already.
        """
        # An empty queue takes any request, or one as large as the queue could never be served.
        if self._requests and self._waiting + len(items) > self._limits.waiting:
            raise come_again(
                "overloaded", f"{self._waiting} records and windows are waiting; come again a little later"
            )
        return await self._enqueue(items, whole=True)

    async def submit(self, items: Sequence[Item]) -> asyncio.Future[Answers]:
        """Put items of a stream in the queue, each scored for itself; wait until half of the queue is free.

        The other half is for those that cannot wait.
        """
        if not items:
            none: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
            none.set_result([])
            return none
        while self._waiting > self._limits.waiting // 2:
            self._room.clear()
            await self._room.wait()
        return self._enqueue(items, whole=False)

    def _enqueue(self, items: Sequence[Item], *, whole: bool) -> asyncio.Future[Answers]:
        answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._requests.append(_Request(items, whole, answers))
        self._waiting += len(items)
        self._changed.set()
        return answers

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._requests or not self._ending:
            if not self._requests:
                self._changed.clear()
                await self._changed.wait()
                continue
            if self._limits.linger_seconds:
                await self._linger()
            batch = self._take()
            if not batch:
                continue
            if self._is_short(batch):
                scored = self._score(batch)
            else:
                scored = await loop.run_in_executor(self._thread, self._score, batch)
            for request, answers in zip(batch, scored, strict=True):
                if request.answers.done():
                    continue
                if isinstance(answers, Refusal):
                    request.answers.set_exception(answers)
                else:
                    request.answers.set_result(answers)

    def _is_short(self, batch: Sequence[_Request]) -> bool:
        """Whether scoring takes so little time that it is not worth to be handed to the thread and back.

        That is so only for the one request that is running: with others, reading them goes on meanwhile.
        """
        return self._running() == 1 and len(batch[0].items) * self._row_seconds < _SHORT_SECONDS

    async def _linger(self) -> None:
        """Wait until a full batch has gathered, or the time for it is over."""
        try:
            async with asyncio.timeout(self._limits.linger_seconds):
                while self._waiting < self._limits.batch and not self._ending:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return

    def _take(self) -> list[_Request]:
        """The requests that have waited longest, up to a full batch, but at least one."""
        batch: list[_Request] = []
        rows = 0
        while self._requests and (not batch or rows + len(self._requests[0].items) <= self._limits.batch):
            request = self._requests.popleft()
            self._waiting -= len(request.items)
            # Whoever asked has gone.
            if not request.answers.done():
                batch.append(request)
                rows += len(request.items)
        self._room.set()
        return batch

    def _score(self, batch: Sequence[_Request]) -> list[Answers | Refusal]:
        started = time.perf_counter()
        try:
            answers = self._score_together(batch)
        except Exception:
            if len(batch) == 1:
                log.exception("scoring %d records and windows raised", len(batch[0].items))
                return [failed()]
            return [each for request in batch for each in self._score([request])]
        seconds = time.perf_counter() - started
        rows = sum(len(request.items) for request in batch)
        self._row_seconds = seconds / rows
        self._meters.call_seconds.observe(seconds)
        self._meters.batch_rows.observe(rows)
        return answers

    def _score_together(self, batch: Sequence[_Request]) -> list[Answers | Refusal]:
        preview = Preview(self._classifier.history)
        stale = [_stale(preview, request) for request in batch]
        admitted = [
            item
            for request, numbers in zip(batch, stale, strict=True)
            if not (request.whole and numbers)
            for number, item in enumerate(request.items)
            if number not in numbers
        ]
        scored = iter(self._classifier.score(admitted))
        self._classifier.history.evicted.clear()
        return [
            refused(numbers)
            if request.whole and numbers
            else [numbers.get(number) or next(scored) for number in range(len(request.items))]
            for request, numbers in zip(batch, stale, strict=True)
        ]


def _stale(preview: Preview, request: _Request) -> dict[int, InvalidTelemetry]:
    """By number, the records of a request that the histories would refuse."""
    records = [(number, item) for number, item in enumerate(request.items) if isinstance(item, Telemetry)]
    if request.whole:
        return preview.admit(records)
    stale: dict[int, InvalidTelemetry] = {}
    for record in records:
        stale |= preview.admit([record])
    return stale
