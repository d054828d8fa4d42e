"""`python -m simulator`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scoring.cli.program import status_of
from scoring.extras import import_for
from simulator.errors import SimulatorError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why."""
    return status_of(lambda: _run(arguments), SimulatorError)


def _run(arguments: Sequence[str] | None) -> int:
    return int(import_for("the simulator", "simulator.cli.main", "edge,simulator").dispatch(arguments))


if __name__ == "__main__":
    sys.exit(main())
