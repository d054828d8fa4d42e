"""The service: its paths, and what each answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import prometheus_client
from aiohttp import ClientError, web

from scoring.errors import InvalidTelemetry, Reason, encodable
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.service.batching import Batcher
from scoring.service.body import is_here, read
from scoring.service.connections import Connections
from scoring.service.gzip import GzipPacker, takes_gzip
from scoring.service.keys import Keys
from scoring.service.limits import Limits
from scoring.service.lines import CONTENT_TYPE as LINES
from scoring.service.lines import TABLE, LineScorer
from scoring.service.meters import ServiceMeters
from scoring.service.openapi import description
from scoring.service.parsing import Parsing
from scoring.service.refusal import Fault, Refusal, come_again, encoded, failed, refused
from scoring.telemetry.history import DEFAULT_ENGINES
from scoring.telemetry.items import Item, size
from scoring.wire.fast import FastParser
from scoring.wire.requests import ItemParser

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_JSON = "application/json"
# Below this an answer fits one packet anyway.
_COMPRESS_BYTES = 1_400
# Whoever is turned away comes again at once, and a line for each would fill the log.
_SILENCE_SECONDS = 1.0


class Service:
    """One model behind HTTP.

    Attributes:
        application: What aiohttp serves.
        limits: What is taken at most.
        connections: Those of the callers.
    """

    def __init__(
        self,
        model: Model,
        *,
        keys: Keys | None = None,
        limits: Limits | None = None,
        engines: int = DEFAULT_ENGINES,
        engine: str = "",
    ) -> None:
        """Make a service, ready to be served.

        Args:
            model: The model that scores.
            keys: What callers must show; None: nothing.
            limits: What is taken at most.
            engines: How many engines are remembered; the least recently seen goes first.
            engine: The engine of records that name none; "": each must name its own.
        """
        self._model = model
        self._keys = keys or Keys()
        self.limits = limits or Limits()
        self._meters = ServiceMeters()
        self.connections = Connections(self.limits.connections, self.limits.seconds, self._turn_away)
        self._parsing = Parsing(FastParser(ItemParser(model.signature, engine)))
        self._classifier = Classifier(model, engines)
        self._batcher = Batcher(self._classifier, self.limits, self._meters, lambda: self._running, self._is_single)
        self._lines = LineScorer(self._parsing, self._batcher, self.limits, self._meters)
        self._description = encoded(description(model, self.limits, keyed=bool(self._keys), named=not engine))
        self._running = 0
        self._idle = asyncio.Event()
        self._ending = False
        self._turned_away = 0
        self._told = -_SILENCE_SECONDS
        self._meters.watch(self._classifier.history)
        self._meters.gauge(
            "running_requests", "Requests that are being read, scored or answered", lambda: self._running
        )
        self._meters.gauge(
            "running_requests_limit", "How many may be; more are told to come again", lambda: self.limits.requests
        )
        self._meters.gauge("connections", "Connections of callers", lambda: len(self.connections))
        self._meters.gauge(
            "connections_limit", "How many may be; more are told to come again", lambda: self.limits.connections
        )
        self.application = web.Application(middlewares=[self._answered])
        self.application.cleanup_ctx.append(self._scoring)
        self.application.add_routes(
            [
                web.post("/score", self._score),
                web.get("/model", self._answer_model),
                web.get("/metrics", self._answer_metrics),
                web.get("/openapi.json", self._answer_description),
                web.get("/health/live", self._answer_live),
                web.get("/health/ready", self._answer_ready),
            ]
        )

    async def end(self) -> None:
        """Refuse what comes, and wait for what runs, but not for ever; streams are told why they end."""
        self._ending = True
        if await self._are_idle_in(self.limits.grace_seconds):
            return
        self._lines.end()
        if not await self._are_idle_in(self.limits.farewell_seconds):
            log.warning("%d requests did not end in time", self._running)

    async def _are_idle_in(self, seconds: float) -> bool:
        """Whether all requests have ended, within a time."""
        try:
            async with asyncio.timeout(seconds):
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _is_single(self) -> bool:
        return len(self.connections) == 1

    async def _scoring(self, _application: web.Application) -> AsyncIterator[None]:
        with self._parsing:
            async with self._batcher:
                yield

    @web.middleware
    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, whatever goes wrong; count it, and log what is no caller's fault."""
        self.connections.begin(request)
        try:
            response = await self._handled(request, handler)
        except Exception:
            log.exception("%s %r failed", request.method, request.path)
            response = failed().response()
        finally:
            self.connections.end(request)
        if response.status == web.HTTPServiceUnavailable.status_code:
            self._log_turned_away()
        known = request.match_info.route.resource
        self._meters.requests.labels(known.canonical if known else "", str(response.status)).inc()
        return response

    async def _handled(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let callers in, and answer what is refused as JSON."""
        try:
            if not request.path.startswith("/health/"):
                self._keys.check(request)
            return await handler(request)
        except Refusal as refusal:
            for fault in refusal.faults:
                self._meters.refused.labels(fault.reason).inc()
            return refusal.response()
        except web.HTTPException as wrong:
            told = f"{request.method} {encodable(request.path)}: {wrong.reason}"
            fault = Fault(wrong.reason.lower().replace(" ", "_"), told)
            headers = {"Allow": wrong.headers["Allow"]} if "Allow" in wrong.headers else {}
            return Refusal(wrong.status, [fault], headers).response()

    def _turn_away(self, refusal: Refusal) -> None:
        """Count and log a connection that was one too many."""
        self._meters.refused.labels(refusal.faults[0].reason).inc()
        self._log_turned_away()

    def _log_turned_away(self) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if now - self._told >= _SILENCE_SECONDS:
            log.warning("turned away with 503: %d", self._turned_away)
            self._turned_away, self._told = 0, now

    async def _score(self, request: web.Request) -> web.StreamResponse:
        if self._ending:
            raise come_again("ending", "the service is ending")
        if self._running >= self.limits.requests:
            raise come_again("overloaded", f"{self._running} requests are running; come again a little later")
        kind = request.content_type
        if kind not in (_JSON, LINES, TABLE):
            fault = Fault("content_type", f"the body is {kind[:60]!r}; send {_JSON}, {LINES} or {TABLE}")
            raise Refusal(415, [fault], {"Accept": f"{_JSON}, {LINES}, {TABLE}"})
        self._running += 1
        try:
            return await (self._score_json(request) if kind == _JSON else self._score_lines(request))
        finally:
            self._running -= 1
            self._idle.set()

    async def _score_json(self, request: web.Request) -> web.Response:
        started = time.perf_counter()
        items, listed = await self._parse(await self._body(request))
        answers = await self._batcher.score(items)
        invalid = {row: answer for row, answer in enumerate(answers) if isinstance(answer, InvalidTelemetry)}
        if invalid:
            raise refused(invalid)
        self._meters.request_seconds.observe(time.perf_counter() - started)
        return _compressed(request, encoded(answers if listed else answers[0]), _JSON)

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

    async def _answer_model(self, request: web.Request) -> web.Response:
        model = self._model
        answer = {
            "Model": model.signature.name,
            "ModelVersion": model.version,
            "signature": json.loads(model.signature.to_json()),
        }
        return _compressed(request, encoded(answer), _JSON)

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        return _compressed(request, self._meters.exposition(), prometheus_client.CONTENT_TYPE_LATEST)

    async def _answer_description(self, request: web.Request) -> web.Response:
        return _compressed(request, self._description, _JSON)

    async def _answer_live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _answer_ready(self, _request: web.Request) -> web.Response:
        if self._ending or not self._batcher.alive:
            raise come_again("ending", "the service is ending")
        return web.json_response({"status": "ready"})


def _compressed(request: web.Request, body: bytes, content_type: str) -> web.Response:
    response = web.Response(body=body, headers={"Content-Type": content_type})
    if len(body) >= _COMPRESS_BYTES and takes_gzip(request):
        response.enable_compression(web.ContentCoding.gzip)
    return response
