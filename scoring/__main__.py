"""Command line: `python -m scoring serve | batch | compare`."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from scoring.console import note
from scoring.errors import ScoringError

# Each is imported only where it is asked for: a device has not what all of them need.
_COMMANDS = {
    "serve": ("score over HTTP", "scoring.service.command", "service"),
    "batch": ("score files", "scoring.batch.command", "service,batch"),
    "compare": ("show where two models differ", "scoring.comparison.command", "service,batch"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why.

    3 tells that it did, but that more was refused than may be.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        options = _parser(given[0] if given else "").parse_args(given)
        status: int | None = options.command(options)
    except KeyboardInterrupt:
        note("stopped")
        return 130
    except (ScoringError, OSError) as error:
        note(f"error: {error}")
        return 2
    return status or 0


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scoring", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (purpose, module, extra) in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == chosen:
            try:
                implementation = import_module(module)
            except ModuleNotFoundError as error:
                raise ScoringError(
                    f"`{name}` needs {error.name}, which is not installed; install turbofan-edge[{extra}]"
                ) from error
            implementation.add_options(command)
            command.set_defaults(command=implementation.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
