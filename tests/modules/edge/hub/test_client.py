import asyncio
import logging
from types import SimpleNamespace

import pytest

from modules.edge.hub import sdk
from modules.edge.hub.client import EdgeClient, Pauses
from modules.edge.hub.connection import HubConnection
from modules.edge.hub.message import OutputMessage
from modules.edge.hub.twin import ModuleTwin
from tests.waiting import until

CARRIED = SimpleNamespace(carried=1, was_answer=False)
ANSWER = SimpleNamespace(carried=5, was_answer=True)
EMPTY = SimpleNamespace(carried=0, was_answer=False)


def pauses(*connections) -> list[float]:
    between = Pauses()
    return [between.after(each) for each in connections]


def test_a_hub_that_is_away_is_asked_ever_less_often_up_to_a_minute() -> None:
    assert pauses(*[None] * 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_connection_that_has_carried_a_message_is_followed_by_the_next_at_once() -> None:
    assert pauses(None, None, None, CARRIED, CARRIED, None, CARRIED) == [1, 2, 4, 1, 1, 2, 1]


def test_a_hub_that_answers_our_sends_by_ending_connections_is_given_up_to_ten_seconds() -> None:
    assert pauses(CARRIED, *[ANSWER] * 6, CARRIED) == [1, 2, 4, 8, 10, 10, 10, 1]


def test_a_hub_that_takes_connections_and_no_messages_is_given_up_to_ten_seconds() -> None:
    assert pauses(*[EMPTY] * 6) == [1, 2, 4, 8, 10, 10]
    assert pauses(*[None] * 8, EMPTY, None) == [1, 2, 4, 8, 16, 32, 60, 60, 10, 20]


class Link:
    """A connection that stands until it is told that it is lost."""

    carried = 0
    was_answer = False

    def __init__(self, ends: bool = True) -> None:
        self.sent: list[OutputMessage] = []
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.ends = ends

    async def enter(self) -> None:
        """Nothing is to be asked of the hub."""

    def accompany(self, part) -> None:
        part.close()

    async def until_lost(self) -> str:
        return await self.lost

    async def close(self) -> bool:
        return self.ends

    async def send(self, message: OutputMessage, *, alone: bool) -> None:
        self.sent.append(message)


class Hub:
    """Gives connections, or raises, in the order that a test says."""

    def __init__(self, monkeypatch) -> None:
        self.offered: asyncio.Queue = asyncio.Queue()
        self.asked = 0
        monkeypatch.setattr(HubConnection, "make", self._make)
        monkeypatch.setattr(Pauses, "after", lambda *_: 0.0)

    async def _make(self, _take) -> Link:
        self.asked += 1
        offered = await self.offered.get()
        if isinstance(offered, Exception):
            raise offered
        return offered


@pytest.fixture
async def hub(monkeypatch):
    return Hub(monkeypatch)


@pytest.fixture
async def client(hub):
    client = EdgeClient(lambda *_: True, ModuleTwin())
    running = asyncio.create_task(client.run())
    client.running = running
    yield client
    running.cancel()
    await asyncio.wait([running])


MESSAGE = OutputMessage("predictions", b"{}", "id", "", "engine", {})


async def test_what_is_sent_while_there_is_no_connection_waits_for_the_next(client, hub) -> None:
    sending = asyncio.create_task(client.send(MESSAGE))
    await asyncio.sleep(0)
    assert (sending.done(), client.is_connected) == (False, False)
    link = Link()
    hub.offered.put_nowait(link)
    await sending
    assert (link.sent, client.is_connected, client.connections) == ([MESSAGE], True, 1)


async def test_a_lost_connection_is_followed_by_a_new_one(client, hub) -> None:
    first, second = Link(), Link()
    hub.offered.put_nowait(first)
    await until(lambda: client.is_connected)
    first.lost.set_result("the hub has gone")
    await until(lambda: not client.is_connected)
    hub.offered.put_nowait(second)
    await client.send(MESSAGE)
    assert (first.sent, second.sent, client.connections) == ([], [MESSAGE], 2)


async def test_a_hub_that_is_away_is_told_once_not_at_each_try(client, hub, caplog) -> None:
    for _ in range(5):
        hub.offered.put_nowait(ConnectionError("no route to host"))
    with caplog.at_level(logging.WARNING):
        await until(lambda: hub.asked == 6)
    told = [each.message for each in caplog.records if "cannot connect" in each.message]
    assert len(told) == 1
    assert "no route to host" in told[0]


async def test_a_lost_client_that_does_not_end_is_counted(client, hub) -> None:
    link = Link(ends=False)
    hub.offered.put_nowait(link)
    await until(lambda: client.is_connected)
    link.lost.set_result("the hub has gone")
    await until(lambda: client.stuck == 1)


async def test_an_sdk_that_is_not_known_is_not_tried_again(client, hub) -> None:
    hub.offered.put_nowait(sdk.UnknownSdkError("another version"))
    with pytest.raises(sdk.UnknownSdkError):
        await client.running
