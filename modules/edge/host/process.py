"""How a module's process begins and ends: SIGTERM and SIGINT end it in order, a failure of any part ends all of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from modules.edge.host import logs
from modules.edge.hub import sdk
from modules.edge.journal import JournalError
from modules.edge.settings import SettingError

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_EXIT_FAILED = 1
_EXIT_UNUSABLE = 2


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, bool]], *expected: type[Exception]) -> None:
    """Run a module until it is told to stop, and end the process.

    Args:
        main: The module; it ends soon after the event is set, and returns whether a thread of it is stuck.
        expected: Errors that say all there is to say in one line, such as a model that cannot be served.
    """
    logs.configure()
    try:
        sdk.check()
        stuck = asyncio.run(_until_signal(main))
    except Exception as error:
        if isinstance(error, (SettingError, JournalError, sdk.UnknownSdkError, *expected)):
            log.critical("%s", error)
            sys.exit(_EXIT_UNUSABLE)
        log.critical("the module ends because a part of it failed", exc_info=True)
        sys.stdout.flush()
        # Whatever failed may have left threads that never return; all state is on disk.
        os._exit(_EXIT_FAILED)
    log.info("stopped")
    if stuck:
        # A thread that never returns would keep the interpreter from ending; all state is on disk.
        sys.stdout.flush()
        os._exit(0)


async def until(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Run the parts of a module side by side until `stop` is set; then end them, the last first.

    Args:
        stop: Says that it is time to end.
        parts: Each may rely on those before it until its own end.

    Raises:
        Exception: What ended one of them before that.
    """
    stopped = asyncio.ensure_future(stop.wait())
    tasks = [asyncio.ensure_future(part) for part in parts]
    await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
    ended = [task for task in tasks if task.done()]
    for task in (stopped, *reversed(tasks)):
        task.cancel()
        await asyncio.wait([task])
    for task in ended:
        task.result()


async def unless(stop: asyncio.Event, call: Callable[[], Result]) -> Result | None:
    """Make a call that may take long, or hang, in a thread of its own; None if it is time to end before it has ended.

    Raises:
        Exception: What the call raised.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Result] = loop.create_future()

    def run_call() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            told = partial(ended.set_exception, error)
        else:
            told = partial(ended.set_result, result)
        # A loop that has closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(told)

    # None of the loop's own threads, for which the loop waits when it closes.
    threading.Thread(target=run_call, daemon=True).start()
    stopped: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    either: list[asyncio.Future[Any]] = [ended, stopped]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    return ended.result() if ended.done() else None


async def _until_signal(main: Callable[[asyncio.Event], Coroutine[Any, Any, bool]]) -> bool:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await main(stop)
