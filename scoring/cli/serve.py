"""The command `python -m scoring serve`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from pathlib import Path

from scoring.cli.console import add_chance_option, add_engine_options, number
from scoring.errors import ScoringError
from scoring.model.model import Model
from scoring.service.app import Service
from scoring.service.connections import most_connections
from scoring.service.keys import Keys
from scoring.service.limits import Limits
from scoring.service.process import is_loopback, serve
from scoring.telemetry.record import Sender
from scoring.wire.records import engine_of

log = logging.getLogger(__name__)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="the ONNX file")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=number(int, 0, 65_535), default=8080, help="0: any that is free")
    parser.add_argument(
        "--keys",
        type=Path,
        metavar="FILE",
        help="keys that callers must show, one on each line; those in SCORING_KEYS, separated by commas, are added",
    )
    add_engine_options(parser)
    add_chance_option(parser)
    parser.add_argument("--body-kilobytes", type=number(int, 1, 1_000_000), default=1024, help="of a body, inflated")
    parser.add_argument("--rows", type=number(int, 1, 1_000_000), default=1000, help="in one JSON body")
    parser.add_argument("--seconds", type=number(float, 0.1, 3600.0), default=10.0, help="for a request")
    parser.add_argument("--requests", type=number(int, 1, 100_000), default=256, help="at once")
    parser.add_argument("--connections", type=number(int, 1, 100_000), default=768, help="at once")
    parser.add_argument("--batch", type=number(int, 1, 10_000), default=64, help="rows in one call")
    parser.add_argument(
        "--linger-milliseconds",
        type=number(float, 0.0, 1000.0),
        default=0.0,
        help="how long a row waits for others to be scored with it; 0: only while the model works anyway",
    )


def run(options: argparse.Namespace) -> None:
    """Serve a model until told to end.

    Raises:
        ScoringError: The model, the keys or the engine's name cannot be used.
        OSError: The address cannot be listened at.
    """
    keys = Keys.read(options.keys, os.environ.get("SCORING_KEYS", ""))
    if options.engine:
        engine_of({}, Sender(options.engine))
    model = Model.load(options.model)
    limits = Limits(
        connections=_connections(options.connections),
        body_bytes=options.body_kilobytes * 1024,
        rows=options.rows,
        seconds=options.seconds,
        requests=options.requests,
        batch=options.batch,
        linger_seconds=options.linger_milliseconds / 1000,
    )
    if not keys and not is_loopback(options.host):
        log.warning("everybody who reaches %s may score; give --keys or SCORING_KEYS to change that", options.host)
    service = Service(
        model, keys=keys, limits=limits, engines=options.engines, engine=options.engine, asked=options.chance_to_last
    )
    name, version = model.signature.name, model.version
    asyncio.run(
        serve(
            service,
            options.host,
            options.port,
            lambda address: log.info("model %s, version %s, at %s", name, version, address),
        )
    )
    log.info("stopped")


def _connections(asked: int) -> int:
    """How many connections may be, within the system's limit of open files.

    Raises:
        ScoringError: It leaves room for none.
    """
    most = most_connections()
    if most < 1:
        raise ScoringError("the limit of open files leaves no room for connections; raise it, as `ulimit -n 1024` does")
    if most < asked:
        log.warning("at most %d connections: the limit of open files allows no more; `ulimit -n` raises it", most)
    return min(asked, most)
