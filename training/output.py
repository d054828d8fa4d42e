"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from training.errors import OutputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that an interruption leaves the old one or the new one, never half of it."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def require_place(path: Path) -> None:
    """Make sure, before work begins that takes long, that a file can be written there; its folder is made.

    Raises:
        OutputError: It cannot.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.filename or path.parent}: {error.strerror}; give another place by --out"
        ) from error
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name the file to write by --out")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OutputError(f"{path} cannot be written: you may not write there; give another place by --out")
