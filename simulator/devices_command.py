"""`devices`: run leaf devices from the command line."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from simulator import control, devices
from simulator.devices import Fleet, Plan, Telemetry
from simulator.engines import SUBSETS
from simulator.errors import SimulatorError

OWNER = "IOTHUB_CONNECTION_STRING"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("devices", help="run leaf devices that send telemetry")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--home", type=Path, metavar="DIR", help="the simulator that runs there is their gateway")
    where.add_argument("--connection-strings", type=Path, metavar="FILE", help="of a hub or a gateway, one a line")
    where.add_argument(
        "--register", action="store_true", help=f"register them in the hub whose owner's string is in {OWNER}"
    )
    parser.add_argument("--count", type=int, metavar="N", help="devices Client_001 ... (default 1, or all in FILE)")
    parser.add_argument("--gateway", metavar="HOST", help="connect through this gateway")
    parser.add_argument("--trust-bundle", type=Path, metavar="PEM", help="the gateway's root certificate")
    parser.add_argument("--telemetry", type=Path, metavar="FILE", help="a C-MAPSS file (default: engines simulated)")
    parser.add_argument("--subset", choices=SUBSETS, default="FD003")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--rate", type=float, default=1.0, metavar="R", help="messages a second each; 0: no pause")
    parser.add_argument("--cycles", type=int, metavar="N", help="messages each (default: the engine's whole life)")
    parser.add_argument("--print", action="store_true", help="print the connection strings, and send nothing")
    parser.set_defaults(command=lambda options: asyncio.run(run(options)))


async def run(options: argparse.Namespace) -> int:
    """Run the devices to their end, or until Ctrl-C or SIGTERM."""
    strings, trust_bundle = await _connect(options)
    if options.gateway:
        strings = [f"{string};GatewayHostName={options.gateway}" for string in strings]
    if options.print:
        sys.stdout.write("".join(f"{string}\n" for string in strings))
        return 0
    plans = [Plan(string, each) for string, each in zip(strings, _telemetry(options, len(strings)), strict=True)]
    fleet = Fleet(plans, rate=options.rate, cycles=options.cycles, trust_bundle=trust_bundle)
    task = asyncio.create_task(fleet.run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.wait([task])
    sys.stdout.write(f"{len(plans)} devices have sent {fleet.sent} messages\n")
    if not task.cancelled():
        task.result()
    return 0


async def _connect(options: argparse.Namespace) -> tuple[list[str], Path | None]:
    if options.connection_strings:
        return devices.listed(options.connection_strings, options.count), options.trust_bundle
    names = devices.names(options.count or 1)
    if options.register:
        if not os.environ.get(OWNER):
            message = f"{OWNER} has no value; set it to the hub owner's connection string"
            raise SimulatorError(message)
        return await asyncio.to_thread(devices.registered, os.environ[OWNER], names), options.trust_bundle
    answers = [await control.command(options.home, "device", name=name) for name in names]
    facts = json.loads((options.home / control.FILE).read_text(encoding="utf-8"))
    return [answer["connection_string"] for answer in answers], Path(facts["trust_bundle"])


def _telemetry(options: argparse.Namespace, count: int) -> list[Telemetry]:
    if options.telemetry:
        return devices.recorded(options.telemetry, count)
    return devices.simulated(options.subset, count, options.seed)
