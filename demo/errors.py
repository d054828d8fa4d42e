"""What can go wrong in the demo."""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on; says why, and what to do."""
