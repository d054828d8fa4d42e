"""`python -m demo`: the main job on this machine, with neither Docker nor Azure."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scoring.cli.console import note
from scoring.errors import ScoringError
from scoring.extras import import_for


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what `demo.command` does, or tell in a line what it would need."""
    try:
        command = import_for("the demo", "demo.command", "edge,training,simulator")
    except KeyboardInterrupt:
        note("stopped")
        return 130
    except ScoringError as error:
        note(f"error: {error}")
        return 2
    status: int = command.main(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
