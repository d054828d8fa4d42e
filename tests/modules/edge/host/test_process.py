"""How a module's process ends: told to, because a part of it fails, or because it cannot begin."""

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from modules.edge.host.process import unless, until
from tests.places import ROOT

PREAMBLE = """
import asyncio, os, signal, sys, threading, time
from modules.edge.host.process import run, unless, until
from modules.edge.settings import SettingError
"""


def ended(program: str) -> subprocess.CompletedProcess[str]:
    """How a process ends that runs a program."""
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_module_that_is_told_to_end_ends_in_order(number: signal.Signals) -> None:
    process = ended(f"""
async def main(stop):
    os.kill(os.getpid(), {int(number)})
    await stop.wait()
    print("put away", flush=True)
    return False
run(main)
""")
    told = process.stdout + process.stderr
    assert process.returncode == 0
    assert told.index("put away") < told.index("stopped")


def test_what_a_user_can_put_right_is_told_in_one_line() -> None:
    process = ended("""
async def main(stop):
    raise SettingError("LIMIT is -1; give 1 or more")
run(main)
""")
    told = process.stdout + process.stderr
    assert process.returncode == 2
    assert [line for line in told.splitlines() if "LIMIT is -1; give 1 or more" in line] == told.splitlines()


def test_an_error_that_the_module_expects_is_told_in_one_line_too() -> None:
    process = ended("""
async def main(stop):
    raise LookupError("no such model")
run(main, LookupError)
""")
    assert process.returncode == 2
    assert "Traceback" not in process.stdout + process.stderr


def test_a_failure_ends_the_process_with_where_it_was_though_a_thread_never_returns() -> None:
    process = ended("""
async def main(stop):
    threading.Thread(target=threading.Event().wait).start()
    raise RuntimeError("no such luck")
run(main)
""")
    told = process.stdout + process.stderr
    assert process.returncode == 1
    assert "a part of it failed" in told
    assert "RuntimeError: no such luck" in told


def test_a_thread_that_is_stuck_does_not_keep_a_process_that_has_ended_in_order() -> None:
    process = ended("""
async def main(stop):
    threading.Thread(target=threading.Event().wait).start()
    return True
run(main)
""")
    assert process.returncode == 0


async def test_parts_end_in_the_reverse_order_of_their_beginning() -> None:
    gone: list[str] = []

    async def part(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(name)

    stop = asyncio.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    await until(stop, part("journal"), part("client"), part("replay"))
    assert gone == ["replay", "client", "journal"]


async def test_a_part_that_fails_ends_the_others_and_is_told() -> None:
    gone: list[str] = []

    async def part() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append("other")

    async def failing() -> None:
        raise RuntimeError("no such luck")

    with pytest.raises(RuntimeError, match="no such luck"):
        await until(asyncio.Event(), part(), failing())
    assert gone == ["other"]


async def test_a_call_that_may_hang_gives_its_result_or_its_error() -> None:
    assert await unless(asyncio.Event(), lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await unless(asyncio.Event(), lambda: 1 // 0)


async def test_nobody_waits_for_a_call_that_hangs_when_it_is_time_to_end() -> None:
    stop, never = asyncio.Event(), threading.Event()
    asyncio.get_running_loop().call_soon(stop.set)
    assert await unless(stop, never.wait) is None
    never.set()
