"""What can be set of a module: each setting declared once, as data, from which all else about it is made.

A declaration reads the environment that the deployment manifest gives, checks the desired property of the same
setting, words the refusal of either, and makes its line of the table in docs/modules.md (settings_table.py).
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

Value = TypeVar("Value")
Numeric = TypeVar("Numeric", int, float)
Chosen = TypeVar("Chosen", bound=Enum)

_SHOWN_CHARACTERS = 100


class SettingError(Exception):
    """A setting is missing or holds what cannot be used; names it, its value and what would be right."""


@dataclass(frozen=True, kw_only=True)
class Setting(ABC, Generic[Value]):
    """One thing that can be set.

    Attributes:
        name: The variable of the environment.
        text: What it is, for the table.
        twin: The desired property that wins over the variable, while the module runs; None if there is none.
    """

    name: str
    text: str
    twin: str | None = None

    def read(self) -> Value:
        """The value that the environment gives, or else the default.

        Raises:
            SettingError: It cannot be used, or there is neither.
        """
        given = os.environ.get(self.name)
        if given is None:
            return self._default()
        try:
            return self.parse(given)
        except ValueError as error:
            raise SettingError(f"{self.name} is {shown(given)}, {error}") from error

    def take(self, value: object) -> Value:
        """The value of the desired property, from JSON.

        Raises:
            ValueError: It cannot be used; names the property, its value and what would be right.
        """
        try:
            return self.convert(value)
        except ValueError as error:
            raise ValueError(f"{self.twin} is {shown(value)}, {error}") from error

    @abstractmethod
    def parse(self, given: str) -> Value:
        """The value that a variable's text stands for.

        Raises:
            ValueError: None; says what would be right.
        """

    def convert(self, value: object) -> Value:
        """The value that a JSON value stands for.

        Raises:
            ValueError: None; says what would be right.
        """
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY004 - a value of the twin, none of a caller's
        return self.parse(value)

    @property
    def takes(self) -> str:
        """What it takes, for the table."""
        return ""

    @property
    def preset(self) -> str:
        """Its default, for the table."""
        return ""

    def _default(self) -> Value:
        raise SettingError(f"{self.name} is not set; give it in the module's env in the deployment manifest")


@dataclass(frozen=True, kw_only=True)
class Text(Setting[str]):
    """A text that has to be given, unless there is a default."""

    default: str | None = None
    pattern: str | None = None
    """What all of it has to match."""
    form: str = ""
    """The pattern in words."""

    def parse(self, given: str) -> str:
        """The text itself."""
        if self.pattern is not None and re.fullmatch(self.pattern, given) is None:
            raise ValueError(f"expected {self.form}")
        return given

    @property
    def takes(self) -> str:
        """The form in words."""
        return self.form

    @property
    def preset(self) -> str:
        """The default as it stands."""
        return f"`{self.default}`" if self.default else ""

    def _default(self) -> str:
        return super()._default() if self.default is None else self.default


@dataclass(frozen=True, kw_only=True)
class Folder(Setting[Path]):
    """A folder that the module may write to."""

    def parse(self, given: str) -> Path:
        """The folder's path."""
        path = Path(given)
        if not path.is_dir() or not os.access(path, os.W_OK):
            raise ValueError("which is no folder that can be written to; bind one in createOptions")
        return path

    @property
    def takes(self) -> str:
        """A folder."""
        return "a folder"


@dataclass(frozen=True, kw_only=True)
class Number(Setting[Numeric]):
    """A number, whole if the default is."""

    default: Numeric
    lowest: Numeric
    highest: Numeric

    def parse(self, given: str) -> Numeric:
        """The number."""
        kind = type(self.default)
        try:
            return self._checked(kind(given))
        except ValueError as error:
            raise self._refusal() from error

    def convert(self, value: object) -> Numeric:
        """The number; true is none, and 5.0 is a whole one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._refusal()
        try:
            kind = type(self.default)
            number = kind(value)
        except (ValueError, OverflowError) as error:
            raise self._refusal() from error
        if number != value:
            raise self._refusal()
        return self._checked(number)

    @property
    def takes(self) -> str:
        """The bounds."""
        return f"{self.lowest:,.10g} to {self.highest:,.10g}"

    @property
    def preset(self) -> str:
        """The default as a number."""
        return f"{self.default:.10g}"

    def _checked(self, number: Numeric) -> Numeric:
        # Not the other way round: nan is neither.
        if not self.lowest <= number <= self.highest:
            raise self._refusal()
        return number

    def _refusal(self) -> ValueError:
        return ValueError(f"expected a number from {self.lowest} to {self.highest}")

    def _default(self) -> Numeric:
        return self.default


@dataclass(frozen=True, kw_only=True)
class Choice(Setting[Chosen]):
    """One of the values of the default's enumeration."""

    default: Chosen

    def parse(self, given: str) -> Chosen:
        """The one that the text names."""
        try:
            return type(self.default)(given)
        except ValueError as error:
            raise ValueError(f"expected one of {', '.join(repr(each.value) for each in type(self.default))}") from error

    @property
    def takes(self) -> str:
        """All values."""
        return " or ".join(f"`{each.value}`" for each in type(self.default))

    @property
    def preset(self) -> str:
        """The default's value."""
        return f"`{self.default.value}`"

    def _default(self) -> Chosen:
        return self.default


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class Listen(Setting[Address | None]):
    """Where to listen; nowhere if it is empty or not set."""

    def parse(self, given: str) -> Address | None:
        """Host and port; None for no listener."""
        if not given:
            return None
        host, _, port = given.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            host = ""
        if not host or host != host.strip() or not (port.isascii() and port.isdecimal() and int(port) <= 65_535):
            raise ValueError("expected host:port such as 127.0.0.1:9600")
        return Address(host, int(port))

    @property
    def takes(self) -> str:
        """The form."""
        return "`host:port`"

    def _default(self) -> Address | None:
        return None


# Asked by the health check too, which is a program of its own.
METRICS_LISTEN = Listen(
    name="METRICS_LISTEN", text="where `/metrics` and `/health` are answered; empty: nowhere; port 0: a free one"
)


def shown(value: object) -> str:
    """A value as a message shows it."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
