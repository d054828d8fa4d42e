"""Metrics in Prometheus' text form, and the health that a container's check asks for, over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from modules.edge.host.health import Check
from modules.edge.settings import Address, SettingError
from scoring.version import VERSION

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
        self.info("build", "The software that runs", version=VERSION)

    def counter(self, name: str, text: str) -> Counter:
        """A count that only grows; `_total` is put behind its name."""
        return self._labelled(Counter(self._name(name), text, _LABELS, registry=self._registry))

    def counters(self, name: str, text: str, label: str, known: Iterable[str] = ()) -> Callable[[str], Counter]:
        """A family of counts, one for each value of `label`; those that are known stand at 0 from the start.

        Args:
            name: Of the family.
            text: What it counts.
            label: By what it counts.
            known: Values of the label that are shown from the start.
        """
        family = Counter(self._name(name), text, (*_LABELS, label), registry=self._registry)
        for value in known:
            family.labels(*self._values, value)
        return lambda value: family.labels(*self._values, value)

    def info(self, name: str, text: str, /, **facts: str) -> None:
        """Something that does not change while the module runs, as labels of a 1."""
        gauge = Gauge(self._name(f"{name}_info"), text, (*_LABELS, *facts), registry=self._registry)
        gauge.labels(*self._values, *facts.values()).set(1)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when somebody looks.

        Args:
            name: Of the metric.
            text: What it shows.
            read: Gives the value when somebody looks.
        """
        gauge = Gauge(self._name(name), text, _LABELS, registry=self._registry)
        gauge.labels(*self._values).set_function(read)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        """A distribution.

        Args:
            name: Of the metric.
            text: What it measures.
            buckets: Their upper edges.
        """
        return self._labelled(Histogram(self._name(name), text, _LABELS, registry=self._registry, buckets=buckets))

    def exposition(self) -> bytes:
        """All of it as Prometheus' text."""
        return prometheus_client.generate_latest(self._registry)

    @asynccontextmanager
    async def served(self, listen: Address | None, check: Check) -> AsyncIterator[Address | None]:
        """Serve GET /metrics and GET /health while the context is open, and give the address.

        Args:
            listen: Where to; None serves nothing.
            check: What /health answers: what is wrong, or None.

        Raises:
            SettingError: Nothing can listen there.
        """
        if listen is None:
            yield None
            return
        application = web.Application()
        application.add_routes([web.get("/metrics", self._answer_metrics), web.get("/health", _health(check))])
        runner = web.AppRunner(application, access_log=None)
        try:
            await runner.setup()
            try:
                await web.TCPSite(runner, listen.host, listen.port).start()
            except OSError as error:
                raise SettingError(
                    f"METRICS_LISTEN is '{listen}', where nothing can listen: {error.strerror}"
                ) from error
            yield Address(*runner.addresses[0][:2])
        finally:
            await runner.cleanup()

    async def _answer_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.exposition(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST})

    def _name(self, name: str) -> str:
        return f"{self._module}_{name}"

    def _labelled(self, metric: Metric) -> Metric:
        return metric.labels(*self._values)


def _health(check: Check) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_request: web.Request) -> web.Response:
        wrong = check()
        return web.Response(text="healthy\n") if wrong is None else web.Response(status=503, text=f"{wrong}\n")

    return answer
