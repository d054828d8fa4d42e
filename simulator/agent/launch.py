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
from simulator.specs import ModuleSpec

ANY_ADDRESS = re.compile(r"0\.0\.0\.0:(\d+)")
# What a process needs of the environment it is started from, and what a test run adds to measure coverage.
INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")
INHERITED_PREFIXES = ("SSL_", "COV_", "COVERAGE_")


@dataclass
class Launch:
    """A command and the environment to run it in.

    Attributes:
        command: Program and arguments.
        environment: All of its variables.
        container: The name of the container in which the module runs; "" if the process is the module.
        signal: The command that sends a container a signal, without the signal and the name.
        clear: The command that takes away what an ended process has left.
    """

    command: list[str]
    environment: dict[str, str]
    container: str = ""
    signal: list[str] = field(default_factory=list)
    clear: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Bind:
    """A folder of the host that a module finds at a path of its container."""

    container: PurePosixPath
    host: Path
    read_only: bool


def prepare(spec: ModuleSpec, identity: Mapping[str, str], own_address: str, overrides: Mapping[str, str]) -> Launch:
    """Turn a module's settings into a process.

    Args:
        spec: The module.
        identity: EdgeAgent's variables.
        own_address: Stands for the container's network address: what listens on 0.0.0.0 listens here.
        overrides: Variables that win over the manifest's.

    Raises:
        ManifestError: There is no command, or a bind is not `host:container[:ro]`.
    """
    folders = binds(spec)
    environment = {
        name: value for name, value in os.environ.items() if name in INHERITED or name.startswith(INHERITED_PREFIXES)
    }
    for name, value in declared(spec).items():
        environment[name] = _on_host(ANY_ADDRESS.sub(rf"{own_address}:\1", value), folders)
    environment.update(identity)
    environment.update(overrides)
    command = [_on_host(part, folders) for part in _command(spec)]
    if command[0] in {"python", "python3"}:
        command[0] = sys.executable
    return Launch(command, environment)


def declared(spec: ModuleSpec) -> dict[str, str]:
    """The variables that the manifest gives a module: those of createOptions, and over them its own."""
    pairs = [entry.partition("=") for entry in spec.create_options.get("Env") or []]
    return {name: value for name, _, value in pairs} | dict(spec.environment)


def listeners(spec: ModuleSpec, own_address: str) -> dict[str, str]:
    """Where a module is told to listen on all addresses of its container: `address:port`, by the variable."""
    found = ((name, ANY_ADDRESS.fullmatch(value)) for name, value in declared(spec).items())
    return {name: f"{own_address}:{port[1]}" for name, port in found if port}


def words(spec: ModuleSpec, key: str) -> list[str]:
    """`Entrypoint` or `Cmd` of createOptions, word by word."""
    value = spec.create_options.get(key) or []
    return shlex.split(value) if isinstance(value, str) else [str(part) for part in value]


def binds(spec: ModuleSpec, made_with: int | None = None) -> list[Bind]:
    """The folders of createOptions' `HostConfig.Binds`, the innermost first, as mounts hide what they are mounted on.

    Args:
        spec: The module.
        made_with: Permissions of a folder that is not there yet and is made.

    Raises:
        ManifestError: One is not `host:container[:ro]`, or does not exist and is to be read only.
    """
    found = []
    for bind in (spec.create_options.get("HostConfig") or {}).get("Binds") or []:
        host, _, rest = bind.partition(":")
        container, _, options = rest.partition(":")
        if not host or not container.startswith("/"):
            raise ManifestError(f"module {spec.name}: the bind {bind!r} is not host:container or host:container:ro")
        folder = Path(host).absolute()
        read_only = "ro" in options.split(",")
        if not folder.exists():
            if read_only:
                raise ManifestError(f"module {spec.name}: {folder} of the bind {bind!r} does not exist")
            folder.mkdir(parents=True)
            if made_with is not None:
                folder.chmod(made_with)
        found.append(Bind(PurePosixPath(container), folder, read_only))
    return sorted(found, key=lambda each: len(each.container.parts), reverse=True)


def _command(spec: ModuleSpec) -> list[str]:
    parts = words(spec, "Entrypoint") + words(spec, "Cmd")
    if not parts:
        raise ManifestError(
            f"module {spec.name} has no command: its image is not run here, so its createOptions need "
            f'Entrypoint or Cmd, such as "Cmd": ["python3", "-m", "modules.{spec.name}"]'
        )
    return parts


def _on_host(value: str, folders: list[Bind]) -> str:
    if value.startswith("/"):
        path = PurePosixPath(value)
        for folder in folders:
            if path.is_relative_to(folder.container):
                return str(folder.host / path.relative_to(folder.container))
    return value
