"""Desired properties of the module twin: each checked, put to use, and acknowledged in the reported ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

VERSION_KEY = "$version"


@dataclass(frozen=True, slots=True)
class Setting:
    """One desired property that a module knows.

    Attributes:
        default: What holds where the twin has no value.
        use: Puts a value to use; raises ValueError with what would be right.
    """

    default: object
    use: Callable[[Any], None]


class Twin:
    """Answers desired properties with `{"value", "ac", "av", "ad"}`, as IoT Plug and Play has it."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = settings

    def apply(self, desired: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
        """Put desired properties to use, and return what is to be reported.

        Args:
            desired: A whole desired section, or a patch of it, with its `$version`.
            full: It is whole: what it lacks goes back to its default.
        """
        version = desired.get(VERSION_KEY, 0)
        names = [name for name in desired if not name.startswith("$")]
        if full:
            names += [name for name in self._settings if name not in desired]
        return {name: self._acknowledge(name, desired.get(name), version) for name in names}

    def _acknowledge(self, name: str, value: object, version: int) -> dict[str, Any] | None:
        setting = self._settings.get(name)
        if setting is None:
            # A removed property that was never ours leaves nothing behind.
            return None if value is None else _answer(value, 404, version, f"{name} is not a property of this module")
        chosen = setting.default if value is None else value
        try:
            setting.use(chosen)
        except ValueError as error:
            log.warning("desired property %s is refused: %s", name, error)
            return _answer(value, 400, version, str(error))
        return _answer(chosen, 200, version, "in use")


def _answer(value: object, code: int, version: int, description: str) -> dict[str, Any]:
    return {"value": value, "ac": code, "av": version, "ad": description}
