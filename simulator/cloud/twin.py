"""Twins: what the cloud wants of a module or device, and what it reports of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import SimulatorError

# IoT Hub's limits: 32 KB for desired and for reported properties, 4 KB a string, ten levels.
LARGEST_SECTION = 32_768
LARGEST_VALUE = 4_096
DEEPEST = 10
LONGEST_NAME = 1_024
SMALLEST_WHOLE = -(2**52)


class TwinError(SimulatorError):
    """A patch that IoT Hub refuses."""


@dataclass
class Twin:
    """Desired and reported properties with their versions."""

    desired: dict[str, Any] = field(default_factory=dict)
    desired_version: int = 1
    reported: dict[str, Any] = field(default_factory=dict)
    reported_version: int = 1

    def document(self) -> dict[str, Any]:
        """What a module that asks for its twin gets."""
        return {
            "desired": {**self.desired, "$version": self.desired_version},
            "reported": {**self.reported, "$version": self.reported_version},
        }

    def set_desired(self, patch: dict[str, Any]) -> dict[str, Any]:
        """Merge a patch into the desired properties; return what a connected module is sent."""
        self.desired = merged(self.desired, patch)
        self.desired_version += 1
        return {**patch, "$version": self.desired_version}

    def replace_desired(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Put other desired properties in place of all; return what a connected module is sent."""
        before, self.desired = self.desired, merged({}, properties)
        self.desired_version += 1
        return {**difference(before, self.desired), "$version": self.desired_version}

    def report(self, patch: dict[str, Any]) -> int:
        """Merge a patch into the reported properties; return the new version."""
        check_reported(patch)
        self.reported = merged(self.reported, patch)
        self.reported_version += 1
        return self.reported_version

    def to_text(self) -> str:
        """The twin as JSON."""
        return json.dumps(vars(self))


def from_text(text: str) -> Twin:
    """A twin from JSON."""
    return Twin(**json.loads(text))


def parse_patch(body: bytes) -> dict[str, Any]:
    """A patch from a message's body."""
    try:
        patch = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise TwinError(f"the patch is not JSON: {error}") from error
    if not isinstance(patch, dict):
        raise TwinError(f"the patch is {type(patch).__name__}, not an object")
    return patch


def merged(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch laid over properties: null removes, objects merge.

    Raises:
        TwinError: The patch or the result is beyond a limit of IoT Hub.
    """
    for name, value in patch.items():
        _check(name, value, 1)
    result = _merge(base, patch)
    size = len(json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LARGEST_SECTION:
        raise TwinError(f"the properties would be {size} bytes; a twin holds {LARGEST_SECTION}")
    return result


def _merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = _merge(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = value
    return result


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes the one of the other: null for each member that went, at any depth; lists are whole."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        if name in before and before[name] == value:
            continue
        former = before.get(name)
        both = isinstance(former, dict) and isinstance(value, dict)
        patch[name] = difference(former, value) if both else value  # type: ignore[arg-type]
    return patch


def check_reported(patch: Mapping[str, Any]) -> None:
    """Make sure that edgeHub takes a patch of reported properties, as it answers before the cloud does.

    Raises:
        TwinError: It does not.
    """
    size = len(json.dumps(patch, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LARGEST_SECTION:
        raise TwinError(f"the patch has {size} bytes; edgeHub takes {LARGEST_SECTION}")
    for name, value in patch.items():
        _check_reported(name, value, in_list=False)


def _check_reported(name: str, value: object, *, in_list: bool) -> None:
    if "#" in name or len(name.encode()) > LONGEST_NAME:
        raise TwinError(f"the property name {name[:40]!r} holds a # or has more than {LONGEST_NAME} bytes")
    if type(value) is int and not SMALLEST_WHOLE <= value <= -SMALLEST_WHOLE - 1:
        raise TwinError(f"the value of {name!r} is {value}; whole numbers go from -2^52 to 2^52 - 1")
    if value is None and in_list:
        raise TwinError(f"a list in {name!r} holds a null")
    if isinstance(value, dict):
        for inner, item in value.items():
            _check_reported(inner, item, in_list=in_list)
    if isinstance(value, list):
        for item in value:
            _check_reported(name, item, in_list=True)


def _check(name: str, value: object, depth: int) -> None:
    if not name or any(character in ". " or character < " " for character in name) or "$" in name:
        raise TwinError(f"the property name {name[:40]!r} is empty or holds a dot, a blank, a control character or $")
    if depth > DEEPEST:
        raise TwinError(f"the property {name!r} is nested more than {DEEPEST} deep")
    if isinstance(value, str) and len(value.encode()) > LARGEST_VALUE:
        raise TwinError(f"the value of {name!r} is {len(value.encode())} bytes; a twin's value holds {LARGEST_VALUE}")
    if isinstance(value, dict):
        for inner, item in value.items():
            _check(inner, item, depth + 1)
    if isinstance(value, list):
        for item in value:
            _check(name, item, depth + 1)
