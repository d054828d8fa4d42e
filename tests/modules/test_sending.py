import asyncio

import pytest

from modules.edge.journal import HistoryChanges, Journal
from modules.edge.message import OutputMessage
from modules.edge.outbox import Outbox
from modules.edge.sender import IN_FLIGHT, Sender


class Hub:
    """Takes messages one by one when told to, and remembers their order and how many waited at once."""

    def __init__(self) -> None:
        self.gate = asyncio.Semaphore(0)
        self.sent: list[str] = []
        self.waiting = 0
        self.most_waiting = 0
        self.orders_waiting: list[str] = []

    async def send(self, message: OutputMessage) -> None:
        assert message.order not in self.orders_waiting, "two messages of one engine are under way at once"
        self.orders_waiting.append(message.order)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        await self.gate.acquire()
        self.waiting -= 1
        self.orders_waiting.remove(message.order)
        if message.body == b"too large":
            raise ValueError("too large")
        self.sent.append(message.message_id)

    def open(self) -> None:
        for _ in range(1000):
            self.gate.release()


def message(number: int, engine: int, body: bytes = b"{}") -> OutputMessage:
    return OutputMessage("predictions", body, f"{engine}-{number}", order=f"Client_{engine}")


async def test_messages_of_one_engine_leave_one_after_the_other_and_those_of_many_together() -> None:
    hub = Hub()
    sender = Sender(hub.send)
    submitted = asyncio.create_task(_submit(sender, [message(n // 30, n % 30) for n in range(90)]))
    while hub.waiting < IN_FLIGHT:
        await asyncio.sleep(0)
    hub.open()
    await submitted
    await sender.idle()
    assert hub.most_waiting == IN_FLIGHT
    for engine in range(30):
        assert [each for each in hub.sent if each.startswith(f"{engine}-")] == [f"{engine}-{n}" for n in range(3)]


async def _submit(sender: Sender, messages: list[OutputMessage]) -> None:
    for each in messages:
        await sender.submit(each, lambda: None)


async def test_a_message_that_can_never_be_sent_does_not_hold_up_the_next(caplog) -> None:
    hub = Hub()
    hub.open()
    sender = Sender(hub.send)
    await _submit(sender, [message(1, 1, b"too large"), message(2, 1)])
    await sender.idle()
    assert hub.sent == ["1-2"]
    assert "1-1 cannot be sent" in caplog.text


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3", limit=10_000_000)
    yield journal
    journal.close()


def fill(journal: Journal, messages: list[OutputMessage]) -> None:
    journal.settle([], messages, HistoryChanges())


async def running(outbox: Outbox, done) -> None:
    task = asyncio.create_task(outbox.run())
    while not done():
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])


async def test_the_outbox_is_sent_in_order_and_cleared_once_acknowledged(journal) -> None:
    hub = Hub()
    hub.open()
    fill(journal, [message(n, 1) for n in range(250)])
    await running(Outbox(journal, hub.send), lambda: journal.outbox_entries == 0)
    assert hub.sent == [f"1-{n}" for n in range(250)]


async def test_what_was_not_acknowledged_is_sent_by_the_next_process(journal) -> None:
    hub = Hub()
    fill(journal, [message(n, n) for n in range(5)])
    await running(Outbox(journal, hub.send), lambda: hub.waiting == 5)
    assert journal.outbox_entries == 5
    hub = Hub()
    hub.open()
    await running(Outbox(journal, hub.send), lambda: journal.outbox_entries == 0)
    assert sorted(hub.sent) == [f"{n}-{n}" for n in range(5)]


async def test_what_comes_later_is_sent_when_it_is_said(journal) -> None:
    hub = Hub()
    hub.open()
    outbox = Outbox(journal, hub.send)
    task = asyncio.create_task(outbox.run())
    for number in range(3):
        fill(journal, [message(number, 1)])
        outbox.notify()
        while len(hub.sent) <= number or journal.outbox_entries:
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    assert hub.sent == ["1-0", "1-1", "1-2"]
