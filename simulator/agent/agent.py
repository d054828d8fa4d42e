"""The edge agent: runs the manifest's modules as processes, and starts them again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from simulator.agent.launch import Launch
from simulator.errors import SimulatorError
from simulator.specs import ModuleSpec

log = logging.getLogger(__name__)

# As edgeAgent: a module that has been up for ten minutes is well again; the pause before a restart doubles from ten
# seconds to five minutes; after 20 restarts the agent gives up.
WELL_AFTER = 600.0
BACKOFF = 10.0
LONGEST_BACKOFF = 300.0
MAX_RESTARTS = 20
# The exit code of a program that cannot be started, as shells have it.
NOT_STARTED = 127
# Docker's time between SIGTERM and SIGKILL.
STOP_WITHIN = 10.0
# A module's log is cut when it is longer than this; the piece before is kept beside it.
LONGEST_LOG = 10_485_760
LOG_CHECK = 5.0


@dataclass
class Status:
    """What the agent knows of a module.

    Attributes:
        state: Running, backoff, failed or stopped.
        pid: Of the process, if there is one.
        restarts: In a row; a module that stays up for ten minutes starts from 0 again.
        exit_code: Of the last process that ended; negative is a signal.
        started: When the present process was (unix seconds).
    """

    state: str = "stopped"
    pid: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    started: float = 0.0


class Module:
    """One module: its process, and what happens when that ends.

    Args:
        spec: From the manifest.
        prepare: Makes the command and its environment, anew for every start.
        log: The file for what the process writes.
        backoff: Seconds before the first restart.

    Attributes:
        spec: From the manifest.
        status: How it is.
        log: The file for what the process writes.
        stop_within: Seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, spec: ModuleSpec, prepare: Callable[[], Launch], log: Path, backoff: float) -> None:
        self.spec = spec
        self.status = Status()
        self.log = log
        self.stop_within = STOP_WITHIN
        self._prepare = prepare
        self._backoff = backoff
        self._process: asyncio.subprocess.Process | None = None
        self._launch = Launch([], {})
        self._signals: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()

    async def start(self) -> None:
        """Start the process, and keep it up as the restart policy says."""
        if self._task is not None and not self._task.done():
            return
        launch = self._prepare()
        self.status = Status(exit_code=self.status.exit_code)
        await self._spawn(launch)
        self._task = asyncio.create_task(self._keep_up(), name=f"module {self.spec.name}")

    async def stop(self) -> None:
        """End the process, with SIGTERM first, and leave it ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._end()
        await self._set("stopped")

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process; the restart policy does the rest."""
        if self._process is None or self._process.returncode is not None:
            raise SimulatorError(f"module {self.spec.name} is {self.status.state}; there is no process to signal")
        self._signal(self._process, number)

    async def until(self, condition: Callable[[Status], bool]) -> Status:
        """Wait until the module's status meets a condition."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition(self.status))
        return self.status

    @property
    def container(self) -> str:
        """The name of the container that was started last; "" if the module is a process."""
        return self._launch.container

    def text(self, lines: int | None = None) -> str:
        """What the module has written (its last lines, if a number is given)."""
        if not self.log.exists():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return text if lines is None else "".join(text.splitlines(keepends=True)[-lines:])

    def _signal(self, process: asyncio.subprocess.Process, number: int) -> None:
        if not self._launch.container:
            process.send_signal(number)
            return
        # The process is only the container's client, which cannot pass on SIGKILL.
        command = [*self._launch.signal, str(int(number)), self._launch.container]
        task = asyncio.create_task(_run(command))
        self._signals.add(task)
        task.add_done_callback(self._signals.discard)

    async def _set(self, state: str) -> None:
        async with self._changed:
            self.status.state = state
            self._changed.notify_all()

    async def _spawn(self, launch: Launch) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._launch = launch
        if launch.clear:
            await _run(launch.clear)
        with self.log.open("ab") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *launch.command,
                    env=launch.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise SimulatorError(
                    f"module {self.spec.name}: {launch.command[0]!r} cannot be started: {error}"
                ) from error
        self.status.pid = self._process.pid
        self.status.started = time.time()
        log.info("module %s runs as process %d", self.spec.name, self._process.pid)
        await self._set("running")

    async def _keep_up(self) -> None:
        while True:
            code = NOT_STARTED if self._process is None else await self._wait(self._process)
            self._process = None
            self.status.pid = None
            self.status.exit_code = code
            if not self._restarts_after(code):
                log.warning("module %s ended with %d, and stays so", self.spec.name, code)
                await self._set("failed" if code else "stopped")
                return
            if time.time() - self.status.started >= WELL_AFTER:
                self.status.restarts = 0
            if self.status.restarts >= MAX_RESTARTS:
                log.error("module %s has been restarted %d times; no more", self.spec.name, MAX_RESTARTS)
                await self._set("failed")
                return
            await self._set("backoff")
            pause = min(self._backoff * 2**self.status.restarts, LONGEST_BACKOFF)
            log.warning("module %s ended with %d; started again in %g s", self.spec.name, code, pause)
            await asyncio.sleep(pause)
            self.status.restarts += 1
            try:
                await self._spawn(self._prepare())
            except SimulatorError as error:
                log.error("%s", error)

    def _restarts_after(self, code: int) -> bool:
        match self.spec.restart_policy:
            case "always":
                return True
            case "never":
                return False
            case _:
                return code != 0

    async def _wait(self, process: asyncio.subprocess.Process) -> int:
        waiting = asyncio.ensure_future(process.wait())
        try:
            while not waiting.done():
                await asyncio.wait([waiting], timeout=LOG_CHECK)
                self._cut_log()
        finally:
            if not waiting.done():
                waiting.cancel()
        _end_group(process.pid)
        return waiting.result()

    def _cut_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LONGEST_LOG:
            shutil.copyfile(self.log, self.log.with_suffix(".1.log"))
            # The process appends, so its next line lands at the new end.
            os.truncate(self.log, 0)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), self.stop_within)
            except TimeoutError:
                log.warning("module %s ignores SIGTERM; it gets SIGKILL", self.spec.name)
                with contextlib.suppress(ProcessLookupError):
                    self._signal(process, signal.SIGKILL)
                await process.wait()
        _end_group(process.pid)
        if self._launch.clear:
            await _run(self._launch.clear)
        self.status.pid = None
        self.status.exit_code = process.returncode


def _end_group(pid: int) -> None:
    """End what a module has started itself and left: it goes with the module, as in a container."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _run(command: list[str]) -> None:
    """Run a program of the container engine; that a container is gone already is no error."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, error = await process.communicate()
    if process.returncode:
        log.debug("%s: %s", " ".join(command), error.decode(errors="replace").strip())


class Agent:
    """All modules of the manifest."""

    def __init__(self) -> None:
        self.modules: dict[str, Module] = {}

    def add(self, module: Module) -> None:
        """Take a module in; it is not started."""
        self.modules[module.spec.name] = module

    def __getitem__(self, name: str) -> Module:
        if name not in self.modules:
            raise SimulatorError(f"there is no module {name!r}; the manifest has {', '.join(self.modules) or 'none'}")
        return self.modules[name]

    async def start(self) -> None:
        """Start the modules whose status in the manifest is `running`, by startup order."""
        for module in sorted(self.modules.values(), key=lambda module: module.spec.startup_order):
            if module.spec.status == "running":
                await module.start()

    async def stop(self) -> None:
        """End all modules at once."""
        await asyncio.gather(*(module.stop() for module in self.modules.values()))
