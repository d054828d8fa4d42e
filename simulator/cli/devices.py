"""`devices`: run leaf devices from the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from scoring.arguments import Commands, add_command
from scoring.cli.console import number
from simulator.cli import home
from simulator.engines import leaf_devices
from simulator.engines.leaf_devices import Fleet, Plan
from simulator.engines.wear import SUBSETS
from simulator.errors import SimulatorError
from simulator.runtime import control

OWNER = "IOTHUB_CONNECTION_STRING"


# An MQTT connection each, from one process; and their ids have three digits.
MAX_DEVICES = 999
MAX_RATE = 10_000.0
MAX_CYCLES = 1_000_000


def add(commands: Commands) -> None:
    """Add the command."""
    example = "python -m simulator devices --home out/edge --count 3 --rate 10"
    parser = add_command(commands, "devices", "run leaf devices that send telemetry", example)
    where = parser.add_mutually_exclusive_group(required=home.default() is None)
    home.add_home(where, "the simulator that runs there is their gateway", required=False)
    where.add_argument("--connection-strings", type=Path, metavar="FILE", help="of a hub or a gateway, one a line")
    where.add_argument(
        "--register", action="store_true", help=f"register them in the hub whose owner's string is in {OWNER}"
    )
    parser.add_argument(
        "--count",
        type=number(int, 1, MAX_DEVICES),
        metavar="N",
        help="devices Client_001 ... (default 1, or all in FILE)",
    )
    parser.add_argument("--gateway", metavar="HOST", help="connect through this gateway")
    parser.add_argument("--trust-bundle", type=Path, metavar="PEM", help="the gateway's root certificate")
    parser.add_argument(
        "--telemetry", type=Path, metavar="FILE", help="a C-MAPSS file or a table (default: engines simulated)"
    )
    parser.add_argument("--model", type=Path, metavar="FILE", help="whose fields and machines a table (.csv) has")
    parser.add_argument(
        "--subset", choices=SUBSETS, default="FD003", help="whose regimes and faults simulated engines have"
    )
    parser.add_argument("--seed", type=number(int, 0, 2**32), default=1, metavar="N", help="what chooses them")
    parser.add_argument(
        "--rate",
        type=number(float, 0.0, MAX_RATE),
        default=1.0,
        metavar="R",
        help="messages a second each; 0: no pause",
    )
    parser.add_argument(
        "--cycles",
        type=number(int, 1, MAX_CYCLES),
        metavar="N",
        help="messages each (default: the engine's whole life)",
    )
    parser.add_argument("--print", action="store_true", help="print the connection strings, and send nothing")
    parser.set_defaults(command=lambda options: asyncio.run(run(options)))


async def run(options: argparse.Namespace) -> int:
    """Run the devices to their end, or until Ctrl-C or SIGTERM."""
    given = None
    if options.connection_strings:
        given = leaf_devices.listed(options.connection_strings, options.count)
    count = options.count or 1 if given is None else len(given)
    if options.telemetry:
        telemetry = leaf_devices.recorded(options.telemetry, options.model, count)
    else:
        telemetry = leaf_devices.simulated(options.subset, count, options.seed)
    trust_bundle = options.trust_bundle
    if given is not None:
        strings = given
    elif options.register:
        strings = await asyncio.to_thread(leaf_devices.registered, _owner(), telemetry)
    else:
        strings, trust_bundle = await _known_at(options.home, telemetry)
    if options.gateway:
        strings = [f"{string};GatewayHostName={options.gateway}" for string in strings]
    if options.print:
        sys.stdout.write("".join(f"{string}\n" for string in strings))
        return 0
    plans = [Plan(string, each) for string, each in zip(strings, telemetry.values(), strict=True)]
    fleet = Fleet(plans, rate=options.rate, cycles=options.cycles, trust_bundle=trust_bundle)
    task = asyncio.create_task(fleet.run())
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    await asyncio.wait([task])
    failed = not task.cancelled() and task.exception() is not None
    if fleet.sent or not failed:
        sys.stdout.write(f"{len(plans)} devices have sent {fleet.sent} messages\n")
    if failed:
        task.result()
    return 0


def _owner() -> str:
    if not os.environ.get(OWNER):
        raise SimulatorError(f"{OWNER} has no value; set it to the hub owner's connection string")
    return os.environ[OWNER]


async def _known_at(folder: Path, names: Iterable[str]) -> tuple[list[str], Path]:
    """Connection strings of devices that a simulator is made to know, and the root of its certificate."""
    answers = [await control.command(folder, "device", name=name) for name in names]
    facts = json.loads((folder / control.FILE).read_text(encoding="utf-8"))
    return [answer["connection_string"] for answer in answers], Path(facts["trust_bundle"])
