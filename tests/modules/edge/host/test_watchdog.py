import asyncio
import threading

from modules.edge.host.watchdog import EXIT_CODE, Watchdog, Work
from tests.waiting import until

# Far more than a busy machine lets an event loop wait for its turn.
STALL = 0.5
LOOKS = 10
"""How often the watchdog looks in that time."""


class Exit:
    def __init__(self) -> None:
        self.code: int | None = None
        self.happened = threading.Event()

    def __call__(self, code: int) -> None:
        self.code = code
        self.happened.set()


def watching(*works: Work, earliest: float = 0.0) -> tuple[Watchdog, Exit]:
    ended = Exit()
    return Watchdog(works, earliest, STALL, ended), ended


async def ended_with_a_living_loop(watchdog: Watchdog, ended: Exit) -> None:
    async with watchdog.on_duty():
        await asyncio.to_thread(ended.happened.wait)


async def test_work_that_waits_without_progress_ends_the_process_and_the_log_says_why(caplog) -> None:
    watchdog, ended = watching(Work("the outbox", lambda: True, lambda: 0))
    await ended_with_a_living_loop(watchdog, ended)
    assert ended.code == EXIT_CODE
    assert "the outbox has waited" in caplog.text


async def test_an_event_loop_that_stands_still_ends_the_process(caplog) -> None:
    watchdog, ended = watching()
    watchdog.start()
    await asyncio.sleep(0)
    # Nobody beats: what a blocked loop looks like from outside.
    await asyncio.to_thread(ended.happened.wait)
    assert "the event loop has waited" in caplog.text


async def test_work_that_goes_on_or_has_nothing_to_do_is_left_alone() -> None:
    looks = [0, 0]

    def count(which: int) -> int:
        looks[which] += 1
        return looks[which]

    watchdog, ended = watching(
        Work("busy", lambda: True, lambda: count(0)), Work("idle", lambda: count(1) < 0, lambda: 0)
    )
    async with watchdog.on_duty():
        await until(lambda: min(looks) > 2 * LOOKS)
    assert not ended.happened.is_set()


async def test_the_process_is_not_ended_before_its_time_however_long_nothing_is_done() -> None:
    looks = 0

    def look() -> int:
        nonlocal looks
        looks += 1
        return 0

    watchdog, ended = watching(Work("stuck", lambda: True, look), earliest=1e6)
    async with watchdog.on_duty():
        await until(lambda: looks > 2 * LOOKS)
    assert not ended.happened.is_set()


async def test_work_that_is_added_while_it_watches_is_watched_from_then_on(caplog) -> None:
    watchdog, ended = watching()
    async with watchdog.on_duty():
        await asyncio.sleep(2 * STALL)
        assert not ended.happened.is_set()
        watchdog.watch(Work("the load of the model", lambda: True, lambda: None))
        await asyncio.to_thread(ended.happened.wait)
    assert "the load of the model has waited" in caplog.text
