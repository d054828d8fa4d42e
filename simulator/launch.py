"""How a module's container settings become a process."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from simulator.errors import ManifestError
from simulator.manifest import ModuleSpec

ANY_ADDRESS = re.compile(r"0\.0\.0\.0:(\d+)")
# What a process needs of the environment it is started from, and what a test run adds to measure coverage.
INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")
INHERITED_PREFIXES = ("SSL_", "COV_", "COVERAGE_")


@dataclass
class Launch:
    """A command and the environment to run it in.

    Attributes:
        command: program and arguments.
        environment: all of its variables.
    """

    command: list[str]
    environment: dict[str, str]
    folders: list[tuple[PurePosixPath, Path]] = field(default_factory=list)


def prepare(spec: ModuleSpec, identity: Mapping[str, str], own_address: str, overrides: Mapping[str, str]) -> Launch:
    """Turn a module's settings into a process.

    Args:
        spec: the module.
        identity: edgeAgent's variables.
        own_address: stands for the container's network address: what listens on 0.0.0.0 listens here.
        overrides: variables that win over the manifest's.

    Raises:
        ManifestError: there is no command, or a bind is not `host:container[:ro]`.
    """
    folders = _binds(spec)
    environment = {
        name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    for name, value in {**_created(spec), **spec.environment}.items():
        environment[name] = _on_host(ANY_ADDRESS.sub(rf"{own_address}:\1", value), folders)
    environment.update(identity)
    environment.update(overrides)
    command = [_on_host(part, folders) for part in _command(spec)]
    if command[0] in {"python", "python3"}:
        command[0] = sys.executable
    return Launch(command, environment, folders)


def _command(spec: ModuleSpec) -> list[str]:
    parts: list[str] = []
    for key in ("Entrypoint", "Cmd"):
        value = spec.create_options.get(key) or []
        parts += shlex.split(value) if isinstance(value, str) else value
    if not parts or not all(isinstance(part, str) for part in parts):
        message = (
            f"module {spec.name} has no command: its image is not run here, so its createOptions need "
            f'Entrypoint or Cmd, such as "Cmd": ["python3", "-m", "modules.{spec.name}"]'
        )
        raise ManifestError(message)
    return parts


def _created(spec: ModuleSpec) -> dict[str, str]:
    """The variables of createOptions' own `Env`, as `NAME=VALUE`."""
    pairs = [entry.partition("=") for entry in spec.create_options.get("Env") or []]
    return {name: value for name, _, value in pairs}


def _binds(spec: ModuleSpec) -> list[tuple[PurePosixPath, Path]]:
    folders = []
    for bind in (spec.create_options.get("HostConfig") or {}).get("Binds") or []:
        host, _, rest = bind.partition(":")
        container, _, options = rest.partition(":")
        if not host or not container.startswith("/"):
            message = f"module {spec.name}: the bind {bind!r} is not host:container or host:container:ro"
            raise ManifestError(message)
        folder = Path(host).absolute()
        read_only = "ro" in options.split(",")
        if read_only and not folder.exists():
            message = f"module {spec.name}: {folder} of the bind {bind!r} does not exist"
            raise ManifestError(message)
        if not read_only:
            folder.mkdir(parents=True, exist_ok=True)
        folders.append((PurePosixPath(container), folder))
    # The innermost first, as mounts hide what they are mounted on.
    return sorted(folders, key=lambda pair: len(pair[0].parts), reverse=True)


def _on_host(value: str, folders: list[tuple[PurePosixPath, Path]]) -> str:
    if value.startswith("/"):
        path = PurePosixPath(value)
        for container, folder in folders:
            if path.is_relative_to(container):
                return str(folder / path.relative_to(container))
    return value
