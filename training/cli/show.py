"""`show`: what is in files of readings or messages, as JSON lines."""

from __future__ import annotations

import argparse
import base64
import json
import math
from itertools import islice

from scoring.cli.console import say
from scoring.extras import import_for


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("readings", help="a file, a folder, a pattern or a blob: CSV, NDJSON, Parquet, or a capture")
    parser.add_argument("--most", type=int, metavar="COUNT", help="how many records; default: all")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    rows = import_for("`show`", "scoring.batch.rows", "batch")
    for record in islice(rows.records(options.readings), options.most):
        opened = {**record, "Body": rows.body_of(record)} if "Body" in record else record
        say(json.dumps(_plain(opened), ensure_ascii=False))


def _plain(value: object) -> object:
    """A value as JSON has it: absent numbers as null, bytes in base64, times in ISO 8601."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)
