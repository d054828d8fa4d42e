"""The service as a process of its own, as users start it."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Running:
    process: subprocess.Popen
    written: Path
    url: str = ""

    def log(self) -> str:
        """What it has written to stderr so far."""
        return self.written.read_text()


@contextmanager
def running(model: Path, folder: Path, *options: str, files: int | None = None, **variables: str) -> Iterator[Running]:
    """Run `python -m scoring serve` on a free port while the context is open, with its log in a folder.

    It may have so many files open.
    """
    limit = ["prlimit", f"--nofile={files}"] if files else []
    command = [*limit, sys.executable, "-m", "scoring", "serve", str(model), "--port", "0", *options]
    written = folder / "serve.log"
    with written.open("w") as log:
        process = subprocess.Popen(command, stderr=log, env={**os.environ, "SCORING_KEYS": "", **variables})
    service = Running(process, written)
    try:
        while not (found := re.search(r"at http://[^:]+:(\d+)$", service.log(), re.MULTILINE)):
            assert process.poll() is None, service.log()
            time.sleep(0.02)
        service.url = f"http://127.0.0.1:{found[1]}"
        yield service
    finally:
        process.terminate()
        process.wait(30)
