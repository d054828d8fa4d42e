"""Topic filters of a client: what edgeHub takes each for by its text, and what may be sent by it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

METHODS = "$iothub/methods/POST/"
TWIN_PATCHES = "$iothub/twin/PATCH/properties/desired/"
# As there, whose device and module it names does not matter here, but does for what is sent.
_INPUTS = re.compile(r"devices/[^/]+/modules/[^/]+/(?:.+/)?#")
MOST = 100
"""The SDK of Python has four, that of .NET five; edgeHub has no bound, and a session is kept whole."""


def takes_messages(filters: Iterable[str]) -> bool:
    """Whether messages for a module's inputs, or a leaf device's from the cloud, are to be sent."""
    return any(_INPUTS.fullmatch(each) or each.endswith("messages/devicebound/#") for each in filters)


def takes_methods(filters: Iterable[str]) -> bool:
    """Whether calls of methods are to be sent."""
    return any(each.startswith(METHODS) for each in filters)


def takes_patches(filters: Iterable[str]) -> bool:
    """Whether patches of desired properties are to be sent."""
    return any(each.startswith(TWIN_PATCHES) for each in filters)


def quality(filters: Mapping[str, int], topic: str) -> int | None:
    """The QoS that a topic is sent with: the best that was granted, None if no filter matches (MQTT 3.1.1, 4.7)."""
    levels = topic.split("/")
    return max((qos for each, qos in filters.items() if _matches(each.split("/"), levels)), default=None)


def _matches(pattern: list[str], levels: list[str]) -> bool:
    if pattern[0] in {"#", "+"} and levels[0].startswith("$"):
        return False
    for index, each in enumerate(pattern):
        if each == "#":
            return True
        if index >= len(levels) or each not in {"+", levels[index]}:
            return False
    return len(pattern) == len(levels)
