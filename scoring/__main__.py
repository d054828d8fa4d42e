"""Command line: `python -m scoring serve | batch | compare`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

from scoring.arguments import Parser, add_command
from scoring.cli.program import status_of
from scoring.extras import import_for
from scoring.version import add_version

# Each is imported only where it is asked for: a device has not what all of them need.
_COMMANDS = {
    "serve": (
        "score over HTTP",
        "scoring.cli.serve",
        "service",
        "python -m scoring serve models/fleet.onnx",
    ),
    "batch": (
        "score files",
        "scoring.cli.batch",
        "service,batch",
        "python -m scoring batch telemetry.csv predictions.parquet --model models/fleet.onnx",
    ),
    "compare": (
        "show where two models differ",
        "scoring.cli.compare",
        "service,batch",
        "python -m scoring compare models/fleet.onnx models/fd003.onnx telemetry.csv",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why.

    3 tells that it did, but that more was refused than may be.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # It tells every request that it makes, several for each file.
    logging.getLogger("azure").setLevel(logging.WARNING)
    return status_of(lambda: _run(given))


def _run(given: list[str]) -> int | None:
    options = _parser(given[0] if given else "").parse_args(given)
    status: int | None = options.command(options)
    return status


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = Parser(prog="python -m scoring", description="Scores telemetry over HTTP and in files.")
    add_version(parser)
    commands = parser.add_commands()
    for name, (purpose, module, extra, example) in _COMMANDS.items():
        command = add_command(commands, name, purpose, example)
        if name == chosen:
            implementation = import_for(f"`{name}`", module, extra)
            implementation.add_options(command)
            command.set_defaults(command=implementation.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
