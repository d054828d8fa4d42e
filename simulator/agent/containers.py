"""How a module's container settings become a container, where podman or Docker is at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.agent.launch import ANY_ADDRESS, Launch, binds, declared, words
from simulator.errors import SimulatorError
from simulator.specs import ModuleSpec

PROGRAMS = ("podman", "docker")
# Where edgeAgent mounts the workload API of every module.
WORKLOAD_SOCKET = "/var/run/iotedge/workload.sock"
# The module's user in the image is another than the one who runs the simulator.
FOR_ANY_USER = 0o777


def find_program(name: str = "") -> str:
    """The program that runs containers: the one that is asked for, or the first of podman and docker that is there.

    Raises:
        SimulatorError: It is not installed.
    """
    for each in (name,) if name else PROGRAMS:
        if path := shutil.which(each):
            return path
    raise SimulatorError(
        f"{name or ' or '.join(PROGRAMS)} is not installed; install it, or run the modules as processes"
    )


@dataclass(frozen=True)
class Containers:
    """Modules as containers on the host's network, where they find the hub on its loopback address.

    Attributes:
        program: Podman or docker.
        prefix: Of the containers' names, so that two runtimes do not meet.
        workload: The unix socket of the workload API.
    """

    program: str
    prefix: str
    workload: Path

    def prepare(
        self, spec: ModuleSpec, identity: Mapping[str, str], own_address: str, overrides: Mapping[str, str]
    ) -> Launch:
        """Turn a module's settings into a container.

        Args:
            spec: The module; of createOptions, Entrypoint, Cmd, Env and the settings of `_limits` count.
            identity: EdgeAgent's variables.
            own_address: What listens on 0.0.0.0 listens here, so that modules do not meet on the host's network.
            overrides: Variables that win over the manifest's.

        Raises:
            ManifestError: A bind is not `host:container[:ro]`.
        """
        name = f"{self.prefix}-{spec.name}"
        variables = {
            key: ANY_ADDRESS.sub(rf"{own_address}:\1", value) for key, value in {**declared(spec), **overrides}.items()
        }
        variables |= {**identity, "IOTEDGE_WORKLOADURI": f"unix://{WORKLOAD_SOCKET}"}
        command = [self.program, "run", "--rm", "--name", name, "--network", "host", "--log-driver", "none"]
        command += ["--volume", f"{self.workload}:{WORKLOAD_SOCKET}"]
        for bind in binds(spec, made_with=FOR_ANY_USER):
            command += ["--volume", f"{bind.host}:{bind.container}" + (":ro" if bind.read_only else "")]
        command += _limits(spec.create_options)
        # Values travel in the environment, which other users of the machine cannot read.
        for key in variables:
            command += ["--env", key]
        entrypoint = words(spec, "Entrypoint")
        if entrypoint:
            command += ["--entrypoint", entrypoint[0]]
        command += [spec.image, *entrypoint[1:], *words(spec, "Cmd")]
        return Launch(
            command,
            {**os.environ, **variables},
            signal=[self.program, "kill", "--signal"],
            container=name,
            clear=[self.program, "rm", "--force", name],
        )


def _limits(options: Mapping[str, Any]) -> list[str]:
    host = options.get("HostConfig") or {}
    flags = []
    if host.get("ReadonlyRootfs"):
        flags.append("--read-only")
    for key, flag in (("CapDrop", "--cap-drop"), ("CapAdd", "--cap-add"), ("SecurityOpt", "--security-opt")):
        for value in host.get(key) or []:
            flags += [flag, value]
    for path, settings in (host.get("Tmpfs") or {}).items():
        flags += ["--tmpfs", f"{path}:{settings}" if settings else path]
    if host.get("Memory"):
        flags += ["--memory", str(host["Memory"])]
    if host.get("PidsLimit"):
        flags += ["--pids-limit", str(host["PidsLimit"])]
    if options.get("User"):
        flags += ["--user", options["User"]]
    return flags
