"""The version of all packages, told by each command with `--version`."""

from __future__ import annotations

import argparse

# The image holds no package metadata that could be asked.
VERSION = "0.1.0"


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add `--version`."""
    parser.add_argument("--version", action="version", version=f"turbofan-edge {VERSION}", help="tell it, and end")
