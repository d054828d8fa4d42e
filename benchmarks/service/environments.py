"""An environment of its own for each server, from a lock, made once."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).parent / "environments"


def programs(name: str) -> Path:
    """The folder with the programs of an environment."""
    lock = LOCKS / f"{name}.txt"
    identity = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / "out" / "benchmark" / "environments" / f"{name}-{identity}"
    ready = folder / "ready"
    if not ready.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "--require-hashes"]
        subprocess.run([*install, "--requirement", str(lock)], check=True)
        ready.touch()
    return folder / "bin"
