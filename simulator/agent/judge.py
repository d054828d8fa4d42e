"""Judges a deployment manifest as edgeAgent and edgeHub do: what they would not take, a line for each fault."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from simulator.errors import ConditionError, RouteError
from simulator.routing.routes import parse_route
from simulator.specs import DEFAULT_PRIORITY, RouteSpec

# What both read; edgeHub has two more minor versions.
_AGENT_SCHEMAS = ("1.0", "1.1", "1.1.0")
_HUB_SCHEMAS = ("1.0", "1.1", "1.2", "1.3")
_HUB_SCHEMA = re.compile(r"1\.([0-3])(\.\d+){0,2}")
STATUSES = ("running", "stopped")
RESTART_POLICIES = ("never", "on-failure", "on-unhealthy", "always")
PULL_POLICIES = ("on-create", "never")
MAX_STARTUP_ORDER = 4_294_967_295
MAX_PRIORITY = 9
# edgeAgent reads createOptions, and createOptions01 to createOptions99.
PIECES = 100
_PIECE = re.compile(r"createoptions(?P<number>\d*)", re.IGNORECASE)
# Of an image, behind the last slash.
_IMAGE_NAME = re.compile(r"[^\s:/]+(:[^\s:/]+)?")
# Of a value, in a fault.
_SHOWN = 40


def _show(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _one_of(words: Collection[str]) -> str:
    return f"expected {', '.join(words)}"


class _Judge:
    """Goes through a manifest and writes down its faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, path: str, told: str) -> None:
        self.faults.append(f"{path}: {told}")

    def object(self, value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
        """The value if it is an object; a fault and an empty one otherwise."""
        if isinstance(value, dict):
            return value
        self.fault(path, f"{_show(value)}, expected an object")
        return {}

    def member(self, parent: dict[str, Any], key: str, path: str, *, needed: bool = True) -> dict[str, Any]:
        """An object in an object; a fault if it is needed and missing."""
        if key in parent:
            return self.object(parent[key], f"{path}/{key}")
        if needed:
            self.fault(path, f"there is no {key}")
        return {}

    def word(self, parent: dict[str, Any], key: str, words: Collection[str], path: str, *, needed: bool) -> None:
        """One of some words, in any case."""
        if key not in parent:
            if needed:
                self.fault(path, f"there is no {key}; {_one_of(words)}")
            return
        value = parent[key]
        if not isinstance(value, str) or value.lower() not in words:
            self.fault(f"{path}/{key}", f"{_show(value)}, {_one_of(words)}")

    def whole(self, parent: dict[str, Any], key: str, path: str, *, lowest: int | None, highest: int | None) -> None:
        """A whole number within bounds, if it is there."""
        if key not in parent:
            return
        value = parent[key]
        whole = type(value) is int
        if not whole or (lowest is not None and value < lowest) or (highest is not None and value > highest):
            bounds = "" if lowest is None else f" from {lowest}" if highest is None else f" from {lowest} to {highest}"
            self.fault(f"{path}/{key}", f"{_show(value)}, expected a whole number{bounds}")

    def text(self, parent: dict[str, Any], key: str, path: str) -> None:
        """A text that is needed."""
        if key not in parent:
            self.fault(path, f"there is no {key}")
        elif not isinstance(parent[key], str):
            self.fault(f"{path}/{key}", f"{_show(parent[key])}, expected a text")

    def agent(self, desired: dict[str, Any], path: str) -> None:
        """What edgeAgent reads."""
        if not desired:
            self.fault(path, "it is empty: edgeAgent has nothing to run")
            return
        self.word(desired, "schemaVersion", _AGENT_SCHEMAS, path, needed=True)
        self.member(desired, "runtime", path)
        if isinstance(desired.get("runtime"), dict):
            self._runtime(desired["runtime"], f"{path}/runtime")
        system = self.member(desired, "systemModules", path)
        for name in ("edgeAgent", "edgeHub") if system or "systemModules" in desired else ():
            self.member(system, name, f"{path}/systemModules")
            if isinstance(system.get(name), dict):
                self.module(system[name], f"{path}/systemModules/{name}", status=name == "edgeHub")
        for name, module in self.member(desired, "modules", path, needed=False).items():
            if self.object(module, f"{path}/modules/{name}") is module:
                self.module(module, f"{path}/modules/{name}", status=True)

    def _runtime(self, runtime: dict[str, Any], path: str) -> None:
        self.word(runtime, "type", ("docker",), path, needed=True)
        settings = self.member(runtime, "settings", path)
        if settings.get("registryCredentials") is None:
            return
        credentials = self.member(settings, "registryCredentials", f"{path}/settings")
        for name, each in credentials.items():
            where = f"{path}/settings/registryCredentials/{name}"
            registry = self.object(each, where)
            if registry is each:
                for key in ("username", "password"):
                    self.text(registry, key, where)

    def module(self, module: dict[str, Any], path: str, *, status: bool) -> None:
        """A module's entry; edgeAgent's own has neither status nor restart policy."""
        self.word(module, "type", ("docker",), path, needed=True)
        if status:
            self.word(module, "status", STATUSES, path, needed=True)
            self.word(module, "restartPolicy", RESTART_POLICIES, path, needed=False)
        self.word(module, "imagePullPolicy", PULL_POLICIES, path, needed=False)
        self.whole(module, "startupOrder", path, lowest=0, highest=MAX_STARTUP_ORDER)
        for name, entry in self.member(module, "env", path, needed=False).items():
            where = f"{path}/env/{name}"
            if not isinstance(entry, dict) or "value" not in entry:
                self.fault(where, f'{_show(entry)}, expected {{"value": "..."}}')
            elif isinstance(entry["value"], dict | list):
                self.fault(f"{where}/value", f"{_show(entry['value'])}, expected a text")
        self.member(module, "settings", path)
        if isinstance(module.get("settings"), dict):
            self._settings(module["settings"], f"{path}/settings")

    def _settings(self, settings: dict[str, Any], path: str) -> None:
        self.text(settings, "image", path)
        image = settings.get("image")
        if isinstance(image, str) and not _IMAGE_NAME.fullmatch(image.strip().rpartition("/")[2].split("@")[0]):
            self.fault(f"{path}/image", f"{_show(image)}, expected [registry/]name[:tag]")
        pieces, wrong = create_options(settings)
        for key, told in wrong:
            self.fault(f"{path}/{key}", told)
        if wrong or not "".join(pieces).strip():
            return
        try:
            options = json.loads("".join(pieces))
        except (ValueError, RecursionError) as error:
            self.fault(f"{path}/createOptions", f"it is not JSON: {error}")
            return
        if options is not None and not isinstance(options, dict):
            self.fault(f"{path}/createOptions", f"{_show(options)}, expected an object")

    def hub(self, desired: dict[str, Any], path: str) -> None:
        """What edgeHub reads."""
        version = desired.get("schemaVersion")
        found = _HUB_SCHEMA.fullmatch(version) if isinstance(version, str) else None
        if found is None:
            self.word(desired, "schemaVersion", _HUB_SCHEMAS, path, needed=True)
        minor = int(found[1]) if found else 1
        store = self.member(desired, "storeAndForwardConfiguration", path, needed=minor > 0)
        where = f"{path}/storeAndForwardConfiguration"
        self.whole(store, "timeToLiveSecs", where, lowest=None, highest=None)
        if store.get("storeLimits") is not None:
            limits = self.member(store, "storeLimits", where)
            self.whole(limits, "maxSizeBytes", f"{where}/storeLimits", lowest=0, highest=None)
        for name, route in self.member(desired, "routes", path, needed=minor > 0).items():
            self._route(name, route, f"{path}/routes/{name}", minor)

    def _route(self, name: str, route: Any, path: str, minor: int) -> None:  # noqa: ANN401 - any JSON value
        if isinstance(route, dict) and minor > 0:
            self.text(route, "route", path)
            self.whole(route, "priority", path, lowest=0, highest=MAX_PRIORITY)
            self.whole(route, "timeToLiveSecs", path, lowest=0, highest=None)
            text = route.get("route")
        else:
            text = route
            if isinstance(route, dict):
                self.fault(path, "schemaVersion 1.0 has routes as texts only; 1.1 has priority and timeToLiveSecs")
            elif not isinstance(route, str):
                self.fault(path, f"{_show(route)}, expected a text, or an object with route")
        if not isinstance(text, str) or (minor == 0 and not text):
            return
        try:
            parse_route(RouteSpec(name, text, DEFAULT_PRIORITY, 0)).compiled()
        except ConditionError as error:
            self.fault(path, f"{_first_line(error, name)}. edgeHub answers 200 to it, and ends at its next start")
        except RouteError as error:
            self.fault(path, _first_line(error, name))


def _first_line(error: RouteError, name: str) -> str:
    return str(error).partition("\n")[0].removeprefix(f"route {name}").lstrip(",: ")


def create_options(settings: dict[str, Any]) -> tuple[list[str], list[tuple[str, str]]]:
    """The pieces of createOptions in their order, and what is wrong with which key."""
    found: dict[int, str] = {}
    wrong: list[tuple[str, str]] = []
    for key, value in settings.items():
        piece = _PIECE.fullmatch(key)
        if piece is None:
            continue
        digits = piece["number"]
        if digits and (len(digits) != 2 or digits == "00"):
            wrong.append((key, "edgeAgent reads createOptions, and createOptions01 to createOptions99"))
        elif isinstance(value, dict):
            wrong.append((key, "an object: this is a template; generate the manifest first"))
        elif value is not None and not isinstance(value, str):
            wrong.append((key, f"{_show(value)}, expected JSON as a text"))
        else:
            found[int(digits or 0)] = value or ""
    missing = [number for number in range(max(found, default=-1)) if number not in found]
    if missing and not wrong:
        name = f"createOptions{missing[0]:02d}" if missing[0] else "createOptions"
        wrong.append((name, "it is missing, and edgeAgent reads no piece behind a gap"))
    return [found[number] for number in sorted(found)], wrong


def faults(content: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """What edgeAgent and edgeHub would not take, a line for each."""
    judge = _Judge()
    path = "modulesContent"
    modules = judge.member(judge.object(content, "manifest"), path, "manifest")
    twins = {}
    for name, twin in modules.items():
        where = f"{path}/{name}"
        twins[name] = judge.member(judge.object(twin, where), "properties.desired", where)
    for name, read in (("$edgeAgent", judge.agent), ("$edgeHub", judge.hub)):
        if name not in modules:
            judge.fault(path, f"there is no {name}")
        elif isinstance(modules[name], dict) and isinstance(modules[name].get("properties.desired"), dict):
            read(twins[name], f"{path}/{name}/properties.desired")
    yield from judge.faults
