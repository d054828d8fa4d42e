"""Deployment manifests: read, and made from a template as the IoT Edge dev tool makes them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from simulator.errors import ManifestError

ARCHITECTURES = ("amd64", "arm64v8", "arm32v7")
# A twin's value holds 512 characters of createOptions; edgeAgent joins `createOptions` and `createOptions01` to 07.
PIECE = 512
PIECES = 8
PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
MODULE_NAME = re.compile(r"MODULES\.([^.]+)(?:\.([^.]+))?")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; an error names the file and the place."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ManifestError(message) from error
    except ValueError as error:
        message = f"{path} is not JSON: {error}"
        raise ManifestError(message) from error
    if not isinstance(content, dict):
        message = f"{path} holds {type(content).__name__}, not an object"
        raise ManifestError(message)
    return content


def environment_file(path: Path) -> dict[str, str]:
    """Read NAME=VALUE lines of a .env file; comments and blank lines are skipped, no file is an empty one."""
    values: dict[str, str] = {}
    if not path.exists():
        return values
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        stripped = line.strip().removeprefix("export ")
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip().isidentifier():
            message = f"{path} line {number}: {line!r} is not NAME=VALUE"
            raise ManifestError(message)
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


class Template:
    """A deployment template with what its placeholders stand for.

    Args:
        path: the template; `modules/` and `.env` are looked for beside it.
        architecture: amd64, arm64v8 or arm32v7; chooses the images' tags.
        environment: wins over `.env`; the process's own unless given.
    """

    def __init__(self, path: Path, architecture: str, environment: Mapping[str, str] | None = None) -> None:
        if architecture not in ARCHITECTURES:
            message = f"architecture {architecture!r} is not known; use one of {', '.join(ARCHITECTURES)}"
            raise ManifestError(message)
        self.path = path
        self.architecture = architecture
        self.values = environment_file(path.parent / ".env")
        self.values.update(os.environ if environment is None else environment)

    def manifest(self) -> dict[str, Any]:
        """The deployment manifest: placeholders filled in, createOptions as strings in pieces."""
        template = read_json(self.path)
        filled: dict[str, Any] = {
            key: self._fill(value, key) for key, value in template.items() if key != "$schema-template"
        }
        agent = desired(filled, "$edgeAgent")
        for group in ("systemModules", "modules"):
            for name, module in agent.get(group, {}).items():
                settings = module.get("settings", {})
                if "createOptions" in settings:
                    settings.update(in_pieces(name, settings.pop("createOptions")))
        return filled

    def _fill(self, value: Any, where: str) -> Any:  # noqa: ANN401 - any JSON value
        if isinstance(value, dict):
            return {key: self._fill(item, f"{where}/{key}") for key, item in value.items()}
        if isinstance(value, list):
            return [self._fill(item, f"{where}/{index}") for index, item in enumerate(value)]
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda found: self._value(found[1], where), value)
        return value

    def _value(self, name: str, where: str) -> str:
        if module := MODULE_NAME.fullmatch(name):
            return self._image(module[1], module[2] or self.architecture)
        if name not in self.values:
            message = (
                f"{self.path}: the variable {name} of {where} has no value; "
                f"set it in the environment or in {self.path.parent / '.env'}"
            )
            raise ManifestError(message)
        return self.values[name]

    def _image(self, module: str, architecture: str) -> str:
        path = self.path.parent / "modules" / module / "module.json"
        description = read_json(path)
        try:
            repository = description["image"]["repository"]
            version = description["image"]["tag"]["version"]
            platforms = description["image"]["tag"]["platforms"]
        except (KeyError, TypeError) as error:
            message = f"{path} lacks {error} (image.repository, image.tag.version, image.tag.platforms)"
            raise ManifestError(message) from error
        if architecture not in platforms:
            message = f"{path} has no platform {architecture!r}; it has {', '.join(platforms)}"
            raise ManifestError(message)
        return str(self._fill(f"{repository}:{version}-{architecture}", f" of {path}"))


def in_pieces(module: str, options: dict[str, Any] | str) -> dict[str, str]:
    """Cut createOptions, as compact JSON, into `createOptions`, `createOptions01`, ... of 512 characters."""
    text = options if isinstance(options, str) else json.dumps(options, separators=(",", ":"))
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)] or [""]
    if len(pieces) > PIECES:
        message = (
            f"createOptions of {module} are {len(text)} characters, more than the {PIECE * PIECES} "
            "that edgeAgent reads; shorten them"
        )
        raise ManifestError(message)
    return {f"createOptions{index:02d}" if index else "createOptions": piece for index, piece in enumerate(pieces)}


@dataclass(frozen=True)
class ModuleSpec:
    """One module as edgeAgent reads it from the manifest."""

    name: str
    status: str
    restart_policy: str
    startup_order: int
    image: str
    environment: dict[str, str]
    create_options: dict[str, Any]


@dataclass(frozen=True)
class RouteSpec:
    """One route as edgeHub reads it: its text, its priority (0 first) and its messages' time to live."""

    name: str
    text: str
    priority: int
    time_to_live: float


@dataclass(frozen=True)
class Manifest:
    """What the runtime takes from a deployment manifest."""

    modules: dict[str, ModuleSpec]
    routes: list[RouteSpec]
    twins: dict[str, dict[str, Any]] = field(default_factory=dict)


# What the runtime's own modules keep in their stores.
KEPT = {
    "edgeHub": "what waits for the cloud, up to the time to live of its route,",
    "edgeAgent": "the deployment that it goes by while it is offline",
}

# edgeHub puts routes without a priority behind those that have one (0 to 9), and keeps messages two hours.
DEFAULT_PRIORITY = 2_000_000_000
DEFAULT_TIME_TO_LIVE = 7200


def desired(content: dict[str, Any], module: str) -> dict[str, Any]:
    """The desired properties of a module in a manifest."""
    try:
        properties = content["modulesContent"][module]["properties.desired"]
    except (KeyError, TypeError) as error:
        message = f"the manifest lacks modulesContent/{module}/properties.desired ({error})"
        raise ManifestError(message) from error
    if not isinstance(properties, dict):
        message = f"modulesContent/{module}/properties.desired is {properties!r}, not an object"
        raise ManifestError(message)
    return properties


def parse(content: dict[str, Any]) -> Manifest:
    """Take from a deployment manifest what the runtime needs."""
    agent = desired(content, "$edgeAgent")
    hub = desired(content, "$edgeHub")
    modules = {name: _module(name, entry) for name, entry in agent.get("modules", {}).items()}
    default = hub.get("storeAndForwardConfiguration", {}).get("timeToLiveSecs", DEFAULT_TIME_TO_LIVE)
    routes = [_route(name, entry, default) for name, entry in hub.get("routes", {}).items()]
    twins = {
        name: desired(content, name) for name in content["modulesContent"] if name not in {"$edgeAgent", "$edgeHub"}
    }
    return Manifest(modules, routes, twins)


def _module(name: str, entry: dict[str, Any]) -> ModuleSpec:
    try:
        settings = entry["settings"]
        image = settings["image"]
    except (KeyError, TypeError) as error:
        message = f"module {name} lacks {error}"
        raise ManifestError(message) from error
    keys = sorted(key for key in settings if key.lower().startswith("createoptions"))
    if any(isinstance(settings[key], dict) for key in keys):
        message = f"createOptions of {name} are an object: this is a template; generate the manifest first"
        raise ManifestError(message)
    text = "".join(settings[key] for key in keys)
    try:
        options = json.loads(text or "{}")
    except ValueError as error:
        message = f"createOptions of {name} are not JSON: {error}"
        raise ManifestError(message) from error
    policy = entry.get("restartPolicy", "always")
    if policy not in {"always", "on-failure", "on-unhealthy", "never"}:
        message = f"restartPolicy of {name} is {policy!r}; edgeAgent has always, on-failure, on-unhealthy, never"
        raise ManifestError(message)
    return ModuleSpec(
        name=name,
        status=entry.get("status", "running"),
        restart_policy=policy,
        # edgeAgent starts modules without an order last.
        startup_order=entry.get("startupOrder", 4294967295),
        image=image,
        environment={key: _text(value["value"]) for key, value in entry.get("env", {}).items()},
        create_options=options,
    )


def _text(value: str | float | bool) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _route(name: str, entry: str | dict[str, Any], default: float) -> RouteSpec:
    if isinstance(entry, str):
        return RouteSpec(name, entry, DEFAULT_PRIORITY, default)
    text = entry.get("route")
    priority = entry.get("priority", DEFAULT_PRIORITY)
    if not isinstance(text, str):
        message = f"route {name} has no text: {entry!r}"
        raise ManifestError(message)
    if priority != DEFAULT_PRIORITY and priority not in range(10):
        message = f"route {name} has priority {priority!r}; edgeHub takes 0 to 9"
        raise ManifestError(message)
    # 0 means the global time to live.
    return RouteSpec(name, text, priority, entry.get("timeToLiveSecs") or default)


def warnings(content: dict[str, Any]) -> list[str]:
    """What a device would be sorry for, though the manifest is taken: runtime modules that keep nothing on the host."""
    modules = desired(content, "$edgeAgent").get("systemModules", {})
    return [
        f"{name} keeps its store in its container: {KEPT[name]} is lost when the container is made anew, as at each "
        f"update; give it StorageFolder in env, and a bind of that folder in createOptions.HostConfig.Binds"
        for name in KEPT
        if name in modules and not _stores_on_host(_module(name, modules[name]))
    ]


def _stores_on_host(spec: ModuleSpec) -> bool:
    # .NET's configuration knows no case.
    folders = [value for key, value in spec.environment.items() if key.lower() == "storagefolder"]
    host = spec.create_options.get("HostConfig") or {}
    targets = [each.split(":")[1] for each in host.get("Binds") or [] if ":" in each]
    targets += [each.get("Target", "") for each in host.get("Mounts") or []]
    return any(PurePosixPath(folder).is_relative_to(target) for folder in folders for target in targets if target)


def load(path: Path, architecture: str = "amd64", environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read a manifest, or a template and make the manifest from it."""
    content = read_json(path)
    if any(key.startswith("$schema-template") for key in content) or ".template." in path.name:
        return Template(path, architecture, environment).manifest()
    return content
