"""`capture`: what has reached the cloud, stored as IoT Hub stores it."""

from __future__ import annotations

import argparse
import sqlite3
import sys

from scoring.arguments import Commands, add_command
from scoring.cli.console import number
from scoring.extras import import_for
from simulator.cli.home import add_home
from simulator.cloud import upstream
from simulator.errors import SimulatorError

_MEGABYTE = 1_000_000


def add(commands: Commands) -> None:
    """Add the command."""
    example = "python -m simulator capture --home out/edge --out out/captured"
    parser = add_command(commands, "capture", "store what has reached the cloud, as IoT Hub does", example)
    add_home(parser, "the simulator's")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="a folder, or a container: abfs://...")
    parser.add_argument("--hub", default="simulated", help="the hub's name, for the files' names")
    parser.add_argument("--encoding", choices=("avro", "json"), default="avro", help="of the files")
    parser.add_argument(
        "--seconds", type=number(float, 1.0, 720.0), default=100.0, help="a file holds so many from its first message"
    )
    parser.add_argument("--megabytes", type=number(float, 0.001, 500.0), default=300.0, help="a file holds at most")
    parser.set_defaults(command=capture)


def capture(options: argparse.Namespace) -> int:
    """Write the files, and say where they are."""
    stores = import_for("`capture`", "scoring.batch.store", "batch")
    capturing = import_for("`capture`", "simulator.cloud.capture", "batch")
    path = options.home / upstream.FILE
    if not path.exists():
        raise SimulatorError(f"there is no {path}; has a runtime run in {options.home}?")
    batching = capturing.Batching(options.seconds, int(options.megabytes * _MEGABYTE))
    written: dict[str, int] = {}
    messages = 0
    try:
        store = stores.Store(options.out)
        for batch in capturing.batches(upstream.received(path), batching):
            name = batch.name(options.hub)
            # Two of one minute, where the first was full.
            count = written[name] = written.get(name, 0) + 1
            file = f"{store.path}/{name}{'' if count == 1 else f'_{count:02d}'}.{options.encoding}"
            store.make_folder(file.rpartition("/")[0])
            store.put(file, capturing.encoded(batch, capturing.Encoding(options.encoding)))
            messages += len(batch.messages)
    except sqlite3.Error as error:
        raise SimulatorError(f"{path} cannot be read: {error}") from error
    except stores.StoreError as error:
        raise SimulatorError(str(error)) from error
    sys.stdout.write(f"{messages:,} messages in {sum(written.values())} files in {options.out}\n")
    return 0
