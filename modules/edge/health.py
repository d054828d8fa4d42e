"""Asks the module that runs beside it how it is: a container's health check.

python3 -m modules.edge.health
"""

from __future__ import annotations

import http.client
import os
import sys

# Docker gives a check 10 seconds (the Dockerfiles' HEALTHCHECK), Python's start included.
_SECONDS = 5.0
_ANY = "0.0.0.0"  # noqa: S104 - where the module listens; asked on loopback


def check(listen: str) -> str | None:
    """Ask GET /health of the module that listens at `host:port`; None if it is well, else what is wrong."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        return f"METRICS_LISTEN is {listen!r}, expected host:port such as 127.0.0.1:9600"
    connection = http.client.HTTPConnection("127.0.0.1" if host == _ANY else host, int(port), timeout=_SECONDS)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        text = response.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"nothing answers at {listen}: {error}"
    finally:
        connection.close()
    return None if response.status == http.client.OK else text


if __name__ == "__main__":
    sys.exit(check(os.environ.get("METRICS_LISTEN", "")))
