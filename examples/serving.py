"""Starts the scoring service for a model, as an operator would, and asks it; for the examples beside it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Service:
    """A running service."""

    def __init__(self, address: str) -> None:
        self.address = address

    def score(self, rows: list[list[float]]) -> list[dict]:
        """The predictions for rows of values in the order of the model's fields."""
        answers: list[dict] = []
        for start in range(0, len(rows), 50):
            body = json.dumps([{"rows": [row]} for row in rows[start : start + 50]]).encode()
            request = urllib.request.Request(
                f"{self.address}/score", data=body, headers={"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request) as response:
                answers += json.load(response)
        return answers


@contextmanager
def served(model: Path) -> Iterator[Service]:
    """`python -m scoring serve MODEL`, at a free port, for as long as the context is open."""
    command = [sys.executable, "-m", "scoring", "serve", str(model), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            # Its first line ends with the address; a service that cannot start says why instead.
            line = process.stderr.readline().strip()
            if "http://" not in line:
                raise SystemExit(f"{line}\n{process.stderr.read()}")
            yield Service(line.split()[-1])
        finally:
            process.terminate()
