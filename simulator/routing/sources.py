"""Sources of routes: what stands after FROM is compared with a message's by whole segments, ignoring case."""

from __future__ import annotations


def pattern(source: str) -> str:
    """What a message's source begins with if a route takes it; stars at the end say nothing, those inside are text."""
    return f"{source.strip().rstrip('*').rstrip('/')}/".lower()


def takes(route: str, source: str) -> bool:
    """Whether a route's pattern takes messages of a source."""
    return pattern(source).startswith(route)
