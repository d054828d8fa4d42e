"""How long `/health/live` waits while the service is given the worst that a request may hold.

    python -m benchmarks.service.waiting MODEL.onnx

Each body is sent alone. Meanwhile another caller, a process of its own, asks for the health again and again. Its
longest wait is told beside its longest while nothing else is asked, which says how busy the machine is.
"""

from __future__ import annotations

import argparse
import http.client
import io
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.service.hostile import bodies, streams

_IDLE_SECONDS = 2.0
_ASKER = """
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=300)
longest = 0.0
print("ready", flush=True)
while not sys.stdin.closed:
    started = time.perf_counter()
    connection.request("GET", "/health/live")
    connection.getresponse().read()
    longest = max(longest, time.perf_counter() - started)
    print(longest, flush=True)
    time.sleep(0.001)
"""


@contextmanager
def served(model: Path) -> Iterator[int]:
    """The service as a process of its own; gives its port."""
    command = [sys.executable, "-m", "scoring", "serve", str(model), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr or ():
                if found := re.search(r"at http://[^:]+:(\d+)$", line):
                    break
            else:
                sys.exit("the service did not start")
            yield int(found[1])
        finally:
            process.terminate()


def longest_wait(port: int, body: bytes | None, headers: dict[str, str]) -> tuple[float, float, str]:
    """The longest wait for the health while a body is answered, how long that took, and its status; in seconds."""
    asker = subprocess.Popen([sys.executable, "-c", _ASKER, str(port)], stdout=subprocess.PIPE, text=True)
    told = asker.stdout or io.StringIO()
    told.readline()
    started = time.perf_counter()
    status = ""
    if body is None:
        time.sleep(_IDLE_SECONDS)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        connection.request("POST", "/score", body, headers)
        answer = connection.getresponse()
        answer.read()
        status = str(answer.status)
        connection.close()
    seconds = time.perf_counter() - started
    # Whoever has waited since before the end is still to be answered.
    time.sleep(0.2)
    asker.kill()
    waits = [float(line) for line in told.read().split("\n")[:-1]]
    asker.wait()
    return max(waits, default=float("inf")), seconds, status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    options = parser.parse_args()
    json_body = {"Content-Type": "application/json"}
    lines = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    asked: list[tuple[str, bytes | None, dict[str, str]]] = [("nothing", None, {})]
    asked += [(name, body, json_body) for name, body in bodies()]
    asked += [(name, body, lines) for name, body in streams()]
    with served(options.model) as port:
        print(f"{'body':50}{'bytes':>12}{'status':>8}{'took, s':>9}{'longest wait, ms':>18}")
        for name, body, headers in asked:
            wait, seconds, status = longest_wait(port, body, headers)
            print(f"{name:50}{len(body or b''):12,}{status:>8}{seconds:9.2f}{1000 * wait:18.0f}", flush=True)


if __name__ == "__main__":
    main()
