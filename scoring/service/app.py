"""The service: its paths, and what each answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator

import prometheus_client
from aiohttp import ClientError, web

from scoring.errors import InvalidTelemetry, Reason
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.lasting import Lasting
from scoring.service.answering import Answering
from scoring.service.batching import Batcher
from scoring.service.body import is_here, read
from scoring.service.connections import Connections
from scoring.service.gzip import GzipPacker, compressed, takes_gzip
from scoring.service.keys import Keys
from scoring.service.limits import Limits
from scoring.service.lines import CONTENT_TYPE as LINES
from scoring.service.lines import TABLE, LineScorer
from scoring.service.meters import ServiceMeters
from scoring.service.openapi import description
from scoring.service.parsing import Parsing
from scoring.service.refusal import Fault, Refusal, come_again, encoded, failed, refused
from scoring.service.traffic import Traffic
from scoring.telemetry.history import DEFAULT_ENGINES
from scoring.telemetry.items import Item, size
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser

log = logging.getLogger(__name__)

_JSON = "application/json"


class Service:
    """One model behind HTTP.

    Attributes:
        application: What aiohttp serves.
        limits: What is taken at most.
        connections: Those of the callers.
    """

    def __init__(  # noqa: PLR0913 - all that can be set of it, by name
        self,
        model: Model,
        *,
        keys: Keys | None = None,
        limits: Limits | None = None,
        engines: int = DEFAULT_ENGINES,
        engine: str = "",
        asked: Lasting = (),
    ) -> None:
        """Make a service, ready to be served.

        Args:
            model: The model that scores.
            keys: What callers must show; None: nothing.
            limits: What is taken at most.
            engines: How many engines are remembered; the least recently seen goes first.
            engine: The engine of records that name none; "": each must name its own.
            asked: For which moments it is to be said how likely an engine lasts longer.

        Raises:
            ModelError: The model cannot say that.
        """
        self._model = model
        keys = keys or Keys()
        self.limits = limits or Limits()
        self._meters = ServiceMeters()
        answering = Answering(self._meters)
        self.connections = Connections(self.limits.connections, self.limits.seconds, answering.turn_away)
        self._traffic = Traffic(self.limits, self.connections, self._meters)
        self._parsing = Parsing(FastParser(ItemParser(model.signature, engine)))
        self._classifier = Classifier(model, engines, asked)
        self._batcher = Batcher(self._classifier, self.limits, self._meters, self._traffic)
        self._lines = LineScorer(self._parsing, self._batcher, self.limits, self._meters)
        self._description = encoded(
            description(model, self.limits, self._classifier.moments, keyed=bool(keys), named=not engine)
        )
        self._meters.watch(self._classifier.history)
        # From the outside in: what each needs is done by those before it.
        self.application = web.Application(
            middlewares=[self.connections.middleware, answering.middleware, keys.middleware, compressed]
        )
        self.application.cleanup_ctx.append(self._scoring)
        self.application.add_routes(
            [
                web.post("/score", self._traffic.admitted(self._score)),
                web.get("/model", self._answer_model),
                web.get("/metrics", self._answer_metrics),
                web.get("/openapi.json", self._answer_description),
                web.get("/health/live", self._answer_live),
                web.get("/health/ready", self._answer_ready),
            ]
        )

    async def end(self) -> None:
        """Refuse what comes, and wait for what runs, but not for ever; streams are told why they end."""
        self._traffic.ending = True
        if await self._traffic.is_over_in(self.limits.grace_seconds):
            return
        self._lines.end()
        if not await self._traffic.is_over_in(self.limits.farewell_seconds):
            log.warning("%d requests did not end in time", self._traffic.running)

    async def _scoring(self, _application: web.Application) -> AsyncIterator[None]:
        with self._parsing:
            async with self._batcher:
                yield

    async def _score(self, request: web.Request) -> web.StreamResponse:
        kind = request.content_type
        if kind not in (_JSON, LINES, TABLE):
            fault = Fault("content_type", f"the body is {kind[:60]!r}; send {_JSON}, {LINES} or {TABLE}")
            raise Refusal(415, [fault], {"Accept": f"{_JSON}, {LINES}, {TABLE}"})
        return await (self._score_json(request) if kind == _JSON else self._score_lines(request))

    async def _score_json(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        items, listed = await self._parse(await self._body(request))
        answers = await self._batcher.score(items)
        invalid = {row: answer for row, answer in enumerate(answers) if isinstance(answer, InvalidTelemetry)}
        if invalid:
            raise refused(invalid)
        self._meters.request_seconds.observe(time.perf_counter() - started)
        return _answer(encoded(answers if listed else answers[0]))

    async def _body(self, request: web.Request) -> bytes:
        limits = self.limits
        if is_here(request):
            return await read(request, limits.body_bytes)
        try:
            async with asyncio.timeout(limits.seconds):
                return await read(request, limits.body_bytes)
        except TimeoutError as error:
            fault = Fault("too_slow", f"the body did not arrive in {limits.seconds:g} s")
            raise Refusal(408, [fault], {"Connection": "close"}) from error
        except (ClientError, ConnectionError) as error:
            raise Refusal(400, [Fault("disconnected", "the body broke off")]) from error

    async def _parse(self, body: bytes) -> tuple[list[Item], bool]:
        if body.count(b",") > self.limits.values:
            told = f"the body has more than {self.limits.values} values; send lines ({LINES}) instead"
            raise Refusal(413, [Fault("too_large", told)])
        try:
            parsed, listed = await self._parsing.body(body, self.limits.rows)
        except InvalidTelemetry as invalid:
            raise refused(invalid) from invalid
        items = [item for item in parsed if not isinstance(item, InvalidTelemetry)]
        if len(items) < len(parsed):
            raise refused({row: item for row, item in enumerate(parsed) if isinstance(item, InvalidTelemetry)})
        rows = sum(map(size, items))
        if rows > self.limits.rows:
            told = f"the trajectories have {rows} messages, at most {self.limits.rows} are taken; send lines instead"
            raise refused(InvalidTelemetry(Reason.TOO_MANY_RECORDS, told))
        return items, listed

    async def _score_lines(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": LINES})
        packer = None
        if takes_gzip(request):
            response.headers["Content-Encoding"] = "gzip"
            packer = GzipPacker()
        await response.prepare(request)
        try:
            await self._lines.answer(request, response, packer)
        except (TimeoutError, ConnectionError):
            # Nobody reads the answer any more.
            if request.transport:
                request.transport.abort()
        except Exception:
            log.exception("answering a stream failed")
            self._meters.refused.labels(failed().faults[0].reason).inc()
            # The answer has begun: an end without the last chunk tells the caller that it is not whole.
            if request.transport:
                request.transport.close()
        return response

    async def _answer_model(self, _request: web.Request) -> web.Response:
        model = self._model
        answer = {
            "Model": model.signature.name,
            "ModelVersion": model.version,
            "signature": json.loads(model.signature.to_json()),
        }
        return _answer(encoded(answer))

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        return _answer(self._meters.exposition(), prometheus_client.CONTENT_TYPE_LATEST)

    async def _answer_description(self, _request: web.Request) -> web.Response:
        return _answer(self._description)

    async def _answer_live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        self._traffic.refuse_at_the_end()
        if not self._batcher.alive:
            raise come_again("ending", "the service is ending")
        return web.json_response({"status": "ready"})


def _answer(body: bytes, content_type: str = _JSON) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": content_type})
