"""Files that hold keys or passwords: only their owner may read them."""

from __future__ import annotations

import os
from pathlib import Path

MODE = 0o600


def write_private(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, that nobody else could read at any moment."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
        file.write(content)
    fresh.replace(path)


def keep_private(path: Path) -> None:
    """Make a file that is about to be filled, or is there already, its owner's alone."""
    path.touch(mode=MODE)
    path.chmod(MODE)
