"""How a module is: what it says of itself, and a container's health check that asks it.

python3 -m modules.edge.host.health
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable

from modules.edge.settings import METRICS_LISTEN, Address, SettingError

# Docker gives a check 10 seconds (the Dockerfiles' HEALTHCHECK), Python's start included.
_SECONDS = 5.0
# Where a module that listens on all addresses is asked.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked, not listened on


Check = Callable[[], str | None]
"""What is wrong, in words; None if nothing is."""


class Health:
    """Whether a module does its work; what is wrong first is told first."""

    def __init__(self, beginning: str) -> None:
        """Say what it does until there is something to look at."""
        self._checks: tuple[Check, ...] = (lambda: beginning,)

    def watch(self, *checks: Check) -> None:
        """Look at these from now on."""
        self._checks = checks

    def trouble(self) -> str | None:
        """What is wrong; None if the module is well."""
        return next((wrong for check in self._checks if (wrong := check()) is not None), None)


def ask(listen: Address) -> str | None:
    """Ask GET /health of the module that listens there; None if it is well, else what is wrong."""
    host, port = listen
    connection = http.client.HTTPConnection(_LOOPBACK.get(host, host), port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        text = response.read(1000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"nothing answers at {listen}: {error}"
    finally:
        connection.close()
    return None if response.status == http.client.OK else text


def main() -> str | None:
    """What is wrong with the module that METRICS_LISTEN names; None if it is well."""
    try:
        listen = METRICS_LISTEN.read()
    except SettingError as error:
        return str(error)
    return "METRICS_LISTEN is empty, so that nothing can be asked; give host:port" if listen is None else ask(listen)


if __name__ == "__main__":
    sys.exit(main())
