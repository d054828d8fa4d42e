"""The command line of the simulator."""

from __future__ import annotations

from collections.abc import Sequence

from scoring.arguments import Parser
from scoring.version import add_version
from simulator.cli import capture, check, devices, engines, manifest, remote, run, upstream


def dispatch(arguments: Sequence[str] | None = None) -> int:
    """Run a command; what the user can put right is raised."""
    parser = Parser(
        prog="python -m simulator", description="Runs edge devices without Azure: a hub, an agent, leaf devices."
    )
    add_version(parser)
    commands = parser.add_commands()
    for each in (engines, manifest, check, run, upstream, capture, devices, remote):
        each.add(commands)
    options = parser.parse_args(arguments)
    return int(options.command(options))
