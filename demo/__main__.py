"""`python -m demo`: the main job on this machine, with neither Docker nor Azure."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scoring.cli.program import status_of
from scoring.extras import import_for


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what `demo.command` does, or tell in a line what it would need."""
    return status_of(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    return int(import_for("the demo", "demo.command", "edge,training,simulator").main(arguments))


if __name__ == "__main__":
    sys.exit(main())
