"""The option for the folder in which a simulator keeps what it keeps."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

VARIABLE = "TURBOFAN_HOME"


def default() -> Path | None:
    """The folder that the environment names, if it does."""
    given = os.environ.get(VARIABLE)
    return Path(given) if given else None


def add_home(
    parser: argparse._ActionsContainer, told: str = "the running simulator's", *, required: bool = True
) -> None:
    """Add `--home`.

    Args:
        parser: To this.
        told: What the folder is to the command.
        required: Whether the command needs it where the environment names none.
    """
    folder = default()
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        required=required and folder is None,
        default=folder,
        help=f"{told} (default: what {VARIABLE} says)",
    )
