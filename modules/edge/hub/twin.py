"""The module twin: desired properties, each checked and put to use, and what is to stand in the reported ones."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from modules.edge.settings import Setting

log = logging.getLogger(__name__)

Value = TypeVar("Value")

VERSION_KEY = "$version"
# A twin's numbers are exact up to here.
LARGEST_INTEGER = 2**52
# A value that is refused is repeated if it is short; IoT Hub takes 4,096 bytes, and ten levels.
ECHO_CHARACTERS = 256
DESCRIPTION_CHARACTERS = 512
# A twin reports 32 KB in all; what is said of properties that are not ours takes no more of it than this.
FOREIGN_BYTES = 8_192
# How many properties a line of the log names.
NAMED = 3


class InvalidTwinError(Exception):
    """What a hub has sent is no twin, or no patch of one; says what it is."""


class Desired(Generic[Value]):
    """One desired property that a module knows."""

    def __init__(self, setting: Setting[Value], default: Value, use: Callable[[Value], None]) -> None:
        """Tie a setting to what uses it.

        Args:
            setting: Its declaration, with the property's name.
            default: What holds where the twin has no value.
            use: Puts a value to use.
        """
        self._setting = setting
        self._default = default
        self._use = use

    @property
    def name(self) -> str:
        """The property's name."""
        return self._setting.twin or self._setting.name

    def apply(self, value: object) -> None:
        """Put a value to use; None is the default.

        Raises:
            ValueError: It cannot be used; says what would be right.
        """
        self._use(self._default if value is None else self._setting.take(value))


class ModuleTwin:
    """Answers desired properties with `{"value", "ac", "av", "ad"}`, as IoT Plug and Play has it.

    It holds what is to be reported and what the hub is known to have, so that what is due is the difference: a report
    that was lost, or that a newer one has overtaken, is never sent as it was.
    """

    def __init__(self, *settings: Desired[Any]) -> None:
        self.changed = asyncio.Event()
        """Set whenever something may be due."""
        self._settings = {each.name: each for each in settings}
        self._said: dict[str, Any] = {}
        self._acknowledged: dict[str, Any] = {}
        # Of properties that are not ours, by name, the version that they came with.
        self._foreign: dict[str, int] = {}
        self._reported: dict[str, Any] = {}
        self._version = 0

    def begin(self) -> None:
        """Forget what another connection has told of the twin."""
        self._acknowledged = {}
        self._foreign = {}
        self._reported = {}
        self._version = 0
        self.changed.set()

    def read(self, document: object) -> bool:
        """Take the whole twin as the hub has it; False if a patch that came before is newer.

        Raises:
            InvalidTwinError: It is no twin.
        """
        if not isinstance(document, Mapping):
            raise InvalidTwinError(f"the twin is {_kind(document)}, expected an object")
        desired, reported = document.get("desired"), document.get("reported", {})
        if not isinstance(desired, Mapping) or not isinstance(reported, Mapping):
            raise InvalidTwinError("the twin lacks desired or reported properties")
        version = _version(desired)
        if version < self._version:
            return False
        self._reported = {name: value for name, value in reported.items() if not name.startswith("$")}
        self._acknowledged = {}
        self._foreign = {}
        self._version = version
        names = [*_names(desired), *(name for name in self._settings if name not in desired)]
        self._apply({name: desired.get(name) for name in names})
        return True

    def patch(self, desired: object) -> None:
        """Take a patch of the desired properties.

        Raises:
            InvalidTwinError: It is none.
        """
        if not isinstance(desired, Mapping):
            raise InvalidTwinError(f"the patch is {_kind(desired)}, expected an object")
        self._version = _version(desired)
        self._apply({name: desired[name] for name in _names(desired)})

    def say(self, properties: Mapping[str, Any]) -> None:
        """Have properties of the module's own reported."""
        self._said.update(properties)
        self.changed.set()

    def due(self) -> dict[str, Any]:
        """What the hub does not have of what is to be reported; null where something has to go."""
        wanted = {**self._foreign_answers(), **self._acknowledged, **self._said}
        gone = [name for name, value in self._reported.items() if name not in wanted and _is_answer(value)]
        changed = {name: value for name, value in wanted.items() if self._reported.get(name) != value}
        return {**dict.fromkeys(gone), **changed}

    def settle(self, patch: Mapping[str, Any]) -> None:
        """Take note that the hub has a patch, or will never take it."""
        for name, value in patch.items():
            if value is None:
                self._reported.pop(name, None)
            else:
                self._reported[name] = value

    def _apply(self, desired: Mapping[str, Any]) -> None:
        known = set(self._foreign)
        for name, value in desired.items():
            if name in self._settings:
                self._use(name, value)
            elif value is None:
                self._foreign.pop(name, None)
            else:
                self._foreign[name] = self._version
        unknown = sorted(self._foreign.keys() - known)
        if unknown:
            log.warning("desired properties are none of this module's: %s", named(unknown))
        self.changed.set()

    def _use(self, name: str, value: object) -> None:
        setting = self._settings[name]
        self._acknowledged.pop(name, None)
        try:
            setting.apply(value)
        except ValueError as error:
            log.warning("desired property %s is refused: %s", name, error)
            self._acknowledged[name] = {**_echo(value), **_answer(400, self._version, str(error))}
        else:
            if value is not None:
                self._acknowledged[name] = {"value": value, **_answer(200, self._version, "in use")}

    def _foreign_answers(self) -> dict[str, Any]:
        """For as many of them as there is room for, in the order of their names so that it is always the same ones."""
        answers = {}
        room = FOREIGN_BYTES
        for name in sorted(self._foreign):
            answer = _answer(404, self._foreign[name], "not a property of this module")
            room -= len(json.dumps({name: answer}))
            if room < 0:
                break
            answers[name] = answer
        return answers


def named(properties: Collection[str]) -> str:
    """The first names of properties, and how many there are besides, for a line of the log."""
    more = f" and {len(properties) - NAMED} more" if len(properties) > NAMED else ""
    return ", ".join(list(properties)[:NAMED]) + more


def _names(desired: Mapping[str, Any]) -> list[str]:
    return [name for name in desired if not name.startswith("$")]


def _version(desired: Mapping[str, Any]) -> int:
    version = desired.get(VERSION_KEY)
    if not isinstance(version, int):
        raise InvalidTwinError(f"{VERSION_KEY} is {_kind(version)}, expected a number")
    return version


def _answer(code: int, version: int, description: str) -> dict[str, Any]:
    return {"ac": code, "av": version, "ad": description[:DESCRIPTION_CHARACTERS]}


def _is_answer(value: object) -> bool:
    """Whether a reported property acknowledges a desired one, and is none of the module's own."""
    return isinstance(value, Mapping) and {"ac", "av"} <= value.keys()


def _echo(value: object) -> dict[str, Any]:
    """A refused value, if a twin can hold its repetition."""
    is_short = (
        isinstance(value, bool)
        or (isinstance(value, str) and len(value) <= ECHO_CHARACTERS)
        or (isinstance(value, int | float) and abs(value) < LARGEST_INTEGER)
    )
    return {"value": value} if is_short else {}


def _kind(value: object) -> str:
    return "missing" if value is None else f"of type {type(value).__name__}"
