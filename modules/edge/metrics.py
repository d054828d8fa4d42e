"""Metrics in Prometheus' text form, and the health that a container's check asks for, over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", Counter, Histogram)

_LABELS = ("iothub", "edge_device", "module_name")


class Metrics:
    """The metrics of one module: names start with its name, and each line says whose it is."""

    def __init__(self, module: str) -> None:
        self._registry = CollectorRegistry()
        self._module = module
        self._values = (
            os.environ.get("IOTEDGE_IOTHUBHOSTNAME", ""),
            os.environ.get("IOTEDGE_DEVICEID", ""),
            os.environ.get("IOTEDGE_MODULEID", module),
        )

    def counter(self, name: str, text: str) -> Counter:
        """A count that only grows; `_total` is put behind its name."""
        return self._labelled(Counter(self._name(name), text, _LABELS, registry=self._registry))

    def counters(self, name: str, text: str, label: str) -> Callable[[str], Counter]:
        """A family of counts, one for each value of `label`."""
        family = Counter(self._name(name), text, (*_LABELS, label), registry=self._registry)
        return lambda value: family.labels(*self._values, value)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when somebody looks."""
        gauge = Gauge(self._name(name), text, _LABELS, registry=self._registry)
        gauge.labels(*self._values).set_function(read)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        """A distribution."""
        return self._labelled(Histogram(self._name(name), text, _LABELS, registry=self._registry, buckets=buckets))

    def exposition(self) -> bytes:
        """All of it as Prometheus' text."""
        return prometheus_client.generate_latest(self._registry)

    @asynccontextmanager
    async def served(self, listen: str, healthy: Callable[[], bool]) -> AsyncIterator[str]:
        """Serve GET /metrics and GET /health at `host:port` while the context is open, and give the address.

        Args:
            listen: Where to; "" serves nothing.
            healthy: What /health answers.

        Raises:
            ValueError: `listen` is not of the form `host:port`.
        """
        if not listen:
            yield ""
            return
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"METRICS_LISTEN is {listen!r}, expected host:port such as 127.0.0.1:9600")
        application = web.Application()
        application.add_routes([web.get("/metrics", self._answer_metrics), web.get("/health", _health(healthy))])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, int(port)).start()
        try:
            bound_host, bound_port = runner.addresses[0][:2]
            yield f"{bound_host}:{bound_port}"
        finally:
            await runner.cleanup()

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.exposition(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    def _name(self, name: str) -> str:
        return f"{self._module}_{name}"

    def _labelled(self, metric: Metric) -> Metric:
        return metric.labels(*self._values)


def _health(healthy: Callable[[], bool]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="healthy\n") if healthy() else web.Response(status=503, text="not connected\n")

    return answer
