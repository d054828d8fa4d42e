"""Answering: whatever becomes of a request, its caller is told in JSON, it is counted, and the log has what matters."""

from __future__ import annotations

import logging
import time

from aiohttp import web
from aiohttp.typedefs import Handler

from scoring.errors import encodable
from scoring.service.meters import ServiceMeters
from scoring.service.refusal import Fault, Refusal, failed

log = logging.getLogger(__name__)

# Whoever is turned away comes again at once, and a line for each would fill the log.
_SILENCE_SECONDS = 1.0


class Answering:
    """Wraps the handlers of a service."""

    def __init__(self, meters: ServiceMeters) -> None:
        self._meters = meters
        self._turned_away = 0
        self._told = -_SILENCE_SECONDS

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, whatever goes wrong; count it, and log what is no caller's fault."""
        try:
            response = await self._refused(request, handler)
        except Exception:
            log.exception("%s %r failed", request.method, request.path)
            response = failed().response()
        if response.status == web.HTTPServiceUnavailable.status_code:
            self._log_turned_away()
        known = request.match_info.route.resource
        self._meters.requests.labels(known.canonical if known else "", str(response.status)).inc()
        return response

    def turn_away(self, refusal: Refusal) -> None:
        """Count and log a connection that was one too many."""
        self._meters.refused.labels(refusal.faults[0].reason).inc()
        self._log_turned_away()

    async def _refused(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer what is refused as JSON."""
        try:
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

    def _log_turned_away(self) -> None:
        self._turned_away += 1
        now = time.monotonic()
        if now - self._told >= _SILENCE_SECONDS:
            log.warning("turned away with 503: %d", self._turned_away)
            self._turned_away, self._told = 0, now
