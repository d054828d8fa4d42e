"""`python -m simulator`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scoring.cli.console import note, reader_gone
from scoring.errors import ScoringError
from scoring.extras import import_for
from simulator.errors import SimulatorError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why."""
    try:
        status: int = import_for("the simulator", "simulator.cli.main", "edge,simulator").dispatch(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        note("stopped")
        return 130
    except BrokenPipeError:
        return reader_gone()
    except (SimulatorError, ScoringError, OSError) as error:
        note(f"error: {error}")
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
