"""The edge runtime of one device: hub, agent, workload API and the cloud's end, in one `async with`."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import random
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from simulator.agent import launch, manifest
from simulator.agent.agent import BACKOFF, Agent, Module
from simulator.agent.containers import Containers
from simulator.cloud.upstream import Upstream
from simulator.errors import AddressError, SimulatorError
from simulator.hub.client import EDGE_HUB, Terms
from simulator.hub.hub import EdgeDevice, Hub
from simulator.hub.injection import InjectionServer
from simulator.hub.method_server import MethodServer
from simulator.identity import Identity
from simulator.mqtt.packets import PORT
from simulator.routing.routes import Router
from simulator.runtime.certificates import Authority
from simulator.runtime.control import ControlServer
from simulator.runtime.faults import Faults
from simulator.runtime.workload import API_VERSION, WorkloadServer

log = logging.getLogger(__name__)

HUB_NAME = "simulated-hub.azure-devices.net"
DEVICE = "edge-device"
# Free addresses are found at the first few tries; if not after so many, something listens on all of them.
MAX_TRIES = 50
# The address that a module finds 0.0.0.0 replaced by must be its own: the second byte sets them apart from runtimes'.
RUNTIME_NET, MODULE_NET = range(1, 128), range(128, 255)


class Runtime:
    """One edge device's runtime.

    Args:
        content: The deployment manifest.
        home: Its folder; what it keeps there (queues, sessions, keys, the upstream file) is found again.
        address: Of 127.0.0.0/8; a free one if not given.
        device: The edge device's id.
        environment: Per module, variables that win over the manifest's.
        start_modules: Whether the agent starts the modules.
        backoff: Seconds before a module's first restart (edgeAgent: 10).
        terms: On which the hub delivers; edgeHub's if not given.
        containers: The program that runs the modules as containers, podman or docker; as processes if not given.
        inject_into: The module that gets what is posted to the injection server, if there is to be one.

    Attributes:
        address: Where the hub listens, port 8883.
        hub: The edge hub.
        agent: The modules.
        upstream: The cloud's end.
        faults: What can be made to go wrong.
        methods: The server for methods from module to module; `available` if port 443 could be had.
        injection: The injection server, if there is one; `port` is where.
    """

    def __init__(  # noqa: PLR0913 - options of one device, all with a default
        self,
        content: dict[str, Any],
        home: Path,
        *,
        address: str | None = None,
        device: str = DEVICE,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        start_modules: bool = True,
        backoff: float = BACKOFF,
        terms: Terms = EDGE_HUB,
        containers: str | None = None,
        inject_into: str | None = None,
    ) -> None:
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self.manifest = manifest.parse(content)
        self.address = address or ""
        self.upstream = Upstream(self.home)
        router = Router(self.manifest.routes)
        self.hub = Hub(self.home, EdgeDevice(HUB_NAME, device), router, self.upstream, terms)
        self.upstream.on_desired = self.hub.desired_changed
        self.agent = Agent()
        self.faults = Faults(self.hub, self.upstream)
        self._authority = Authority(self.home / "certificates")
        self._environment = environment or {}
        self._start_modules = start_modules
        self._containers = containers
        self._backoff = backoff
        self.methods = MethodServer(self.hub)
        self.injection = InjectionServer(self.hub, inject_into) if inject_into else None
        self._sockets = Path()
        self._open = AsyncExitStack()

    @property
    def trust_bundle(self) -> Path:
        """The file with the certificate that clients trust."""
        return self._authority.certificate_file

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.enter_context(_locked(self.home / "lock"))
            # The path of a unix socket has 108 bytes at most, a home folder may have more.
            self._sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-")))
            await self.upstream.open()
            stack.push_async_callback(self.upstream.close)
            await self.hub.open()
            stack.push_async_callback(self.hub.stop)
            context = await self._listen()
            stack.push_async_callback(self.methods.stop)
            await self.methods.start(self.address, context)
            workload = WorkloadServer(self.hub, self._authority.pem)
            stack.push_async_callback(workload.stop)
            await workload.start(self._workload_socket)
            if self._containers is not None:
                # The image's user asks it; its folder keeps this machine's other users out.
                self._workload_socket.chmod(0o666)
            self._set_up_modules()
            if self.injection is not None:
                stack.push_async_callback(self.injection.stop)
                await self.injection.start()
            stack.push_async_callback(self.agent.stop)
            if self._start_modules:
                await self.agent.start()
            control = ControlServer(self)
            stack.push_async_callback(control.stop)
            await control.start(self._sockets / "control.sock")
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _listen(self) -> ssl.SSLContext:
        tries = [self.address] if self.address else list(_addresses())
        for address in tries:
            context = self._authority.server_context(address)
            try:
                await self.hub.listen(address, context)
            except OSError as error:
                if error.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
                    raise
                if self.address:
                    raise AddressError(
                        f"{address}:{PORT} cannot be listened on: {error.strerror}; leave the address out"
                    ) from error
            else:
                self.address = address
                log.info("the hub listens on %s:%d", address, PORT)
                return context
        raise AddressError(
            f"none of {len(tries)} addresses of 127.0.0.0/8 has port {PORT} free; does something listen on all?"
        )

    def _set_up_modules(self) -> None:
        for name, spec in self.manifest.modules.items():
            identity = self.hub.register(self.hub.device, name)
            twin = self.upstream.twin(identity.client_id)
            wanted = self.manifest.twins.get(name)
            if wanted is not None and twin.desired != wanted:
                self.upstream.replace_desired(identity.client_id, wanted)
            written = self.home / "logs" / f"{name}.log"
            self.agent.add(Module(spec, partial(self._prepare, name), written, self._backoff))

    def _prepare(self, name: str) -> launch.Launch:
        spec = self.manifest.modules[name]
        overrides = self._environment.get(name, {})
        identity, address = self.module_environment(name), self.module_address(name)
        if self._containers is None:
            return launch.prepare(spec, identity, address, overrides)
        containers = Containers(self._containers, self._sockets.name, self._workload_socket)
        return containers.prepare(spec, identity, address, overrides)

    @property
    def _workload_socket(self) -> Path:
        return self._sockets / "workload.sock"

    def module_address(self, name: str) -> str:
        """The loopback address that stands for a module's container: what listens on 0.0.0.0 listens here."""
        digest = hashlib.sha256(f"{self.address}/{name}".encode()).digest()
        return f"127.{MODULE_NET[digest[0] % len(MODULE_NET)]}.{digest[1]}.{1 + digest[2] % 254}"

    def listeners(self, name: str) -> dict[str, str]:
        """Where a module is told to listen: `address:port`, by the variable of the manifest that says so."""
        return launch.listeners(self.manifest.modules[name], self.module_address(name))

    # For clients that are not started by the agent

    def add_module(self, name: str) -> Identity:
        """Register a module that the manifest does not have."""
        return self.hub.register(self.hub.device, name)

    def add_device(self, name: str, key: str | None = None) -> str:
        """Register a leaf device; return its connection string."""
        identity = self.hub.register(name, None, key)
        return f"HostName={self.hub.name};DeviceId={name};SharedAccessKey={identity.key};GatewayHostName={self.address}"

    def module_environment(self, name: str) -> dict[str, str]:
        """The variables with which edgeAgent starts a module."""
        identity = self.hub.client(name).identity
        return {
            "IOTEDGE_IOTHUBHOSTNAME": self.hub.name,
            "IOTEDGE_DEVICEID": identity.device,
            "IOTEDGE_MODULEID": name,
            "IOTEDGE_GATEWAYHOSTNAME": self.address,
            "IOTEDGE_MODULEGENERATIONID": identity.generation,
            "IOTEDGE_WORKLOADURI": f"unix://{self._workload_socket}",
            "IOTEDGE_APIVERSION": API_VERSION,
            "IOTEDGE_AUTHSCHEME": "sasToken",
        }

    def debug_environment(self, name: str) -> dict[str, str]:
        """The variables of the IoT Edge simulator's single-module mode, for a module under a debugger."""
        identity = self.hub.client(name).identity
        return {
            "EdgeHubConnectionString": (
                f"HostName={self.hub.name};GatewayHostName={self.address};DeviceId={identity.device};"
                f"ModuleId={name};SharedAccessKey={identity.key}"
            ),
            "EdgeModuleCACertificateFile": str(self.trust_bundle),
        }


def _locked(path: Path) -> IO[bytes]:
    """Keep a second runtime out of a home folder for as long as the file is open."""
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SimulatorError(f"another runtime runs in {path.parent}; choose another home, or end that one") from error
    return file


def _addresses() -> Iterator[str]:
    # Processes that start at the same time begin at different places.
    chance = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))  # noqa: S311 - no secret
    for _ in range(MAX_TRIES):
        second = chance.choice(RUNTIME_NET)
        yield f"127.{second}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
