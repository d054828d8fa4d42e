"""Deployment manifests, as the runtime reads them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from simulator.agent.judge import MAX_STARTUP_ORDER, create_options, faults
from simulator.errors import ManifestError
from simulator.routing.routes import compile_route
from simulator.specs import DEFAULT_PRIORITY, Manifest, ModuleSpec, RouteSpec


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file; an error names the file and the place."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ManifestError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ManifestError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ManifestError(f"{path} holds {type(content).__name__}, not an object")
    return content


# What the runtime's own modules keep in their stores.
KEPT = {
    "edgeHub": "what waits for the cloud, up to the time to live of its route,",
    "edgeAgent": "the deployment that it goes by while it is offline",
}

# What IoT Hub takes in a twin: bytes of a value, and of all desired properties as JSON.
LARGEST_VALUE = 4_096
LARGEST_TWIN = 32_768
# Names that are nobody's (RFC 2606), and those that say what is to be put there.
PLACEHOLDER_HOST = re.compile(r"(^|\.)example(\.(com|net|org))?$|[<>]")


def desired(content: dict[str, Any], module: str) -> dict[str, Any]:
    """The desired properties of a module in a manifest."""
    try:
        properties = content["modulesContent"][module]["properties.desired"]
    except (KeyError, TypeError) as error:
        raise ManifestError(f"the manifest lacks modulesContent/{module}/properties.desired ({error})") from error
    if not isinstance(properties, dict):
        raise ManifestError(f"modulesContent/{module}/properties.desired is {properties!r}, not an object")
    return properties


def parse(content: dict[str, Any]) -> Manifest:
    """Take from a deployment manifest what the runtime needs.

    Raises:
        ManifestError: EdgeAgent or edgeHub would not take it; the message has a line for each fault.
    """
    if found := list(faults(content)):
        raise ManifestError(found[0] if len(found) == 1 else "\n  ".join([f"{len(found)} faults:", *found]))
    check_sizes(content)
    agent, hub = desired(content, "$edgeAgent"), desired(content, "$edgeHub")
    modules = {name: _module(name, entry) for name, entry in agent.get("modules", {}).items()}
    # Without a number, messages expire at once.
    default = _time_to_live(hub.get("storeAndForwardConfiguration", {}).get("timeToLiveSecs", 0))
    routes = [_route(name, entry, default) for name, entry in hub.get("routes", {}).items() if entry]
    twins = {
        name: desired(content, name) for name in content["modulesContent"] if name not in {"$edgeAgent", "$edgeHub"}
    }
    return Manifest(modules, routes, twins)


def _module(name: str, entry: dict[str, Any]) -> ModuleSpec:
    return ModuleSpec(
        name=name,
        status=entry["status"].lower(),
        restart_policy=entry.get("restartPolicy", "on-unhealthy").lower(),
        startup_order=entry.get("startupOrder", MAX_STARTUP_ORDER),
        image=entry["settings"]["image"].strip(),
        environment=_environment(entry),
        create_options=_create_options(entry),
    )


def _environment(entry: dict[str, Any]) -> dict[str, str]:
    return {key: _text(value["value"]) for key, value in entry.get("env", {}).items()}


def _create_options(entry: dict[str, Any]) -> dict[str, Any]:
    pieces, _ = create_options(entry["settings"])
    return json.loads("".join(pieces).strip() or "{}") or {}


def _text(value: str | float | bool | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _time_to_live(seconds: int) -> float:
    return math.inf if seconds < 0 else float(seconds)


def _route(name: str, entry: str | dict[str, Any], default: float) -> RouteSpec:
    if isinstance(entry, str):
        return RouteSpec(name, entry, DEFAULT_PRIORITY, default)
    # 0 means the global time to live.
    own = float(entry.get("timeToLiveSecs", 0))
    return RouteSpec(name, entry["route"], entry.get("priority", DEFAULT_PRIORITY), own or default)


def check_sizes(content: dict[str, Any]) -> None:
    """Make sure that IoT Hub takes what the manifest sets in twins.

    Raises:
        ManifestError: A value or a twin is too large.
    """
    for name in content.get("modulesContent", {}):
        properties = desired(content, name)
        for where, value in _texts(properties, name):
            if (size := len(value.encode())) > LARGEST_VALUE:
                raise ManifestError(
                    f"{where} has {size:,} bytes; IoT Hub takes {LARGEST_VALUE:,} in a twin's value: shorten it"
                )
        if (size := len(json.dumps(properties, separators=(",", ":")))) > LARGEST_TWIN:
            raise ManifestError(
                f"the twin of {name} has {size:,} bytes; IoT Hub takes {LARGEST_TWIN:,}: take something out"
            )


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        yield where, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _texts(child, f"{where}/{key}")


def without(content: dict[str, Any], name: str) -> list[str]:
    """Take a module out of a manifest, with its twin and its routes; the names of the routes.

    Raises:
        ManifestError: There is no such module.
    """
    modules = desired(content, "$edgeAgent").get("modules", {})
    if modules.pop(name, None) is None:
        raise ManifestError(
            f"there is no module {name!r} to leave out; the manifest has {', '.join(modules) or 'none'}"
        )
    content["modulesContent"].pop(name, None)
    routes = desired(content, "$edgeHub").get("routes", {})
    # In a route's source or its sink; names are told apart in any case.
    of_module = re.compile(rf"/modules/{re.escape(name)}(?![^/\s\"])", re.IGNORECASE)
    texts = {each: route if isinstance(route, str) else str(route.get("route")) for each, route in routes.items()}
    gone = [each for each, text in texts.items() if of_module.search(text)]
    for each in gone:
        del routes[each]
    return gone


def device_warnings(content: dict[str, Any]) -> list[str]:
    """What would keep a device from running the manifest, though IoT Hub takes it: images that nobody can pull."""
    agent = desired(content, "$edgeAgent")
    images = [
        (name, module["settings"]["image"])
        for group in ("systemModules", "modules")
        for name, module in agent.get(group, {}).items()
    ]
    return [
        f"the image of {name} is at {host}, which stands for your registry; set CONTAINER_REGISTRY in the environment "
        "or in .env"
        for name, image in images
        if PLACEHOLDER_HOST.search(host := image.partition("/")[0].partition(":")[0])
    ]


def passwords(content: dict[str, Any]) -> list[str]:
    """The registries whose passwords the manifest holds."""
    settings = desired(content, "$edgeAgent").get("runtime", {}).get("settings", {})
    credentials = settings.get("registryCredentials", {})
    return [str(each.get("address", name)) for name, each in credentials.items() if each.get("password")]


def warnings(content: dict[str, Any]) -> list[str]:
    """What a device takes and its owner would be sorry for, in a manifest that `parse` takes.

    Runtime modules that keep nothing on the host; messages that expire at once; routes that say something else than
    they seem to.
    """
    modules = desired(content, "$edgeAgent")["systemModules"]
    found = [
        f"{name} keeps its store in its container: {KEPT[name]} is lost when the container is made anew, as at each "
        f"update; give it StorageFolder in env, and a bind of that folder in createOptions.HostConfig.Binds"
        for name in KEPT
        if not _stores_on_host(modules[name])
    ]
    routes = parse(content).routes
    found += [
        f"messages of route {route.name} expire at once: neither it nor storeAndForwardConfiguration has a "
        "timeToLiveSecs above 0; -1 in the latter is for ever"
        for route in routes
        if not route.time_to_live
    ]
    return found + [note for route in routes for note in compile_route(route).advice]


def _stores_on_host(entry: dict[str, Any]) -> bool:
    # .NET's configuration knows no case.
    folders = [value for key, value in _environment(entry).items() if key.lower() == "storagefolder"]
    host = _create_options(entry).get("HostConfig")
    if not isinstance(host, dict):
        return False
    targets = [each.split(":")[1] for each in host.get("Binds") or [] if isinstance(each, str) and ":" in each]
    targets += [str(each.get("Target", "")) for each in host.get("Mounts") or [] if isinstance(each, dict)]
    return any(PurePosixPath(folder).is_relative_to(target) for folder in folders for target in targets if target)
