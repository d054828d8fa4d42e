"""A module's settings from its environment, as the deployment manifest gives them."""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)
Choice = TypeVar("Choice", bound=Enum)


class SettingError(Exception):
    """A variable is missing or holds what cannot be used; names it, its value and what would be right."""


def text(name: str, default: str | None = None) -> str:
    """A variable's value.

    Raises:
        SettingError: It is not set, and there is no default.
    """
    value = os.environ.get(name, default)
    if value is None:
        raise SettingError(f"{name} is not set; give it in the module's env in the deployment manifest")
    return value


def folder(name: str, default: str | None = None) -> Path:
    """A folder that the module may write to.

    Raises:
        SettingError: There is none, or it cannot be written to.
    """
    path = Path(text(name, default))
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise SettingError(f"{name} is {path}, which is no folder that can be written to; bind one in createOptions")
    return path


def number(name: str, default: Number, lowest: Number, highest: Number) -> Number:
    """A number from `lowest` to `highest`, of the default's kind.

    Raises:
        SettingError: It is something else.
    """
    value = os.environ.get(name)
    if value is None:
        return default
    kind: Callable[[str], Number] = type(default)
    try:
        parsed = kind(value)
    except ValueError:
        parsed = None
    if parsed is None or not lowest <= parsed <= highest:
        raise SettingError(f"{name} is {value!r}, expected a number from {lowest} to {highest}")
    return parsed


def choice(name: str, default: Choice) -> Choice:
    """One of the values of the default's enumeration.

    Raises:
        SettingError: It is something else.
    """
    value = os.environ.get(name, default.value)
    try:
        return type(default)(value)
    except ValueError as error:
        values = ", ".join(repr(each.value) for each in type(default))
        raise SettingError(f"{name} is {value!r}, expected one of {values}") from error
