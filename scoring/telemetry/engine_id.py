"""The ids of engines, which are those of devices in IoT Hub."""

from __future__ import annotations

import re

MAX_ENGINE_NUMBER = 2**53 - 1
"""The largest number that names an engine: up to here each is a float of its own."""

ENGINE_ID = r"[A-Za-z0-9\-.+%_#*?!(),:=@$']{1,128}"
"""What IoT Hub admits as a device id, as a regular expression."""
_ENGINE_ID = re.compile(ENGINE_ID)


def is_engine_id(name: str) -> bool:
    """Whether a name has the form of an IoT Hub device id."""
    return _ENGINE_ID.fullmatch(name) is not None
