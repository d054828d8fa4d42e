"""Logs in the form that edgeAgent's GetModuleLogs filters on: `<6> 2026-01-01 00:00:00.000 +00:00 [INF] - text`."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

_SEVERITIES = {
    logging.CRITICAL: (0, "FTL"),
    logging.ERROR: (3, "ERR"),
    logging.WARNING: (4, "WRN"),
    logging.INFO: (6, "INF"),
    logging.DEBUG: (7, "DBG"),
}


class EdgeFormatter(logging.Formatter):
    """One line a record; line ends within a text become `|`, since a line is what the filter sees."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record with its severity, its time in UTC and its text."""
        severity, word = _SEVERITIES.get(record.levelno, (6, "INF"))
        moment = datetime.fromtimestamp(record.created, UTC)
        text = record.getMessage()
        if record.exc_info:
            text += " | " + self.formatException(record.exc_info)
        line = " | ".join(text.splitlines())
        return f"<{severity}> {moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} +00:00 [{word}] - {line}"


def configure(level: int = logging.INFO) -> None:
    """Send this process's logs to standard output, where the container runtime keeps them."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EdgeFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The SDK and paho tell every step of every message at INFO; what matters of it, the link says itself.
    for name in ("azure", "paho"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
