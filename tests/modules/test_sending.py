import asyncio

import pytest

from modules.edge.journal import Journal, Outgoing, Settlement
from modules.edge.message import OutputMessage
from modules.edge.outbox import PAGE, Outbox
from modules.edge.sender import IN_FLIGHT, SUBMITTED, Sender


class Hub:
    """Takes messages one by one when told to, and remembers their order and how many waited at once."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sent: list[str] = []
        self.waiting = 0
        self.most_waiting = 0
        self.orders_waiting: list[str] = []

    async def send(self, message: OutputMessage) -> None:
        assert message.order not in self.orders_waiting, "two messages of one engine are under way at once"
        self.orders_waiting.append(message.order)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        await self.gate.wait()
        self.waiting -= 1
        self.orders_waiting.remove(message.order)
        if message.body == b"too large":
            raise ValueError("too large")
        self.sent.append(message.message_id)

    def open(self) -> None:
        self.gate.set()


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


async def test_engines_with_much_to_say_do_not_hold_up_the_others() -> None:
    hub = Hub()
    sender = Sender(hub.send)
    await _submit(sender, [message(n, engine) for engine in range(IN_FLIGHT) for n in range(2)])
    for _ in range(3):
        await asyncio.sleep(0)
    assert hub.waiting == IN_FLIGHT
    hub.open()
    await sender.idle()
    for engine in range(IN_FLIGHT):
        assert [each for each in hub.sent if each.startswith(f"{engine}-")] == [f"{engine}-0", f"{engine}-1"]


async def test_no_more_than_a_bounded_number_is_taken_from_who_submits() -> None:
    hub = Hub()
    sender = Sender(hub.send)
    submitting = asyncio.create_task(_submit(sender, [message(n, 1) for n in range(SUBMITTED + 1)]))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not submitting.done()
    hub.open()
    await submitting
    await sender.idle()
    assert len(hub.sent) == SUBMITTED + 1


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


def fill(journal: Journal, messages: list[OutputMessage]) -> list[Outgoing]:
    return journal.settle(Settlement(answers=messages))


async def running(outbox: Outbox, journal: Journal, done) -> None:
    """Run an outbox, and what the processor does with what it sent, until `done`."""
    task = asyncio.create_task(outbox.run())
    while not done():
        await asyncio.sleep(0.001)
        journal.sent(outbox.take_acknowledged())
    task.cancel()
    await asyncio.wait([task])


async def test_the_outbox_of_an_earlier_process_is_sent_in_order_and_cleared_once_acknowledged(journal) -> None:
    hub = Hub()
    hub.open()
    fill(journal, [message(n, 1) for n in range(2 * PAGE + 50)])
    await running(Outbox(journal, hub.send), journal, lambda: journal.outbox_entries == 0)
    assert hub.sent == [f"1-{n}" for n in range(2 * PAGE + 50)]


async def test_what_was_not_acknowledged_is_sent_by_the_next_process(journal, monkeypatch) -> None:
    monkeypatch.setattr("modules.edge.sender.CLOSE_SECONDS", 0.01)
    hub = Hub()
    fill(journal, [message(n, n) for n in range(5)])
    await running(Outbox(journal, hub.send), journal, lambda: hub.waiting == 5)
    assert journal.outbox_entries == 5
    hub = Hub()
    hub.open()
    await running(Outbox(journal, hub.send), journal, lambda: journal.outbox_entries == 0)
    assert sorted(hub.sent) == [f"{n}-{n}" for n in range(5)]


@pytest.mark.parametrize("size", [1, 7, PAGE, 3 * PAGE])
async def test_what_is_added_is_sent_once_and_in_order_also_where_memory_does_not_hold_it(journal, size) -> None:
    hub = Hub()
    hub.open()
    outbox = Outbox(journal, hub.send)
    count = 0
    task = asyncio.create_task(outbox.run())
    while count < 5 * PAGE:
        outbox.offer(fill(journal, [message(n, 1) for n in range(count, count + size)]))
        count += size
        await asyncio.sleep(0)
        journal.sent(outbox.take_acknowledged())
    while outbox.sent < count:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait([task])
    journal.sent(outbox.take_acknowledged())
    assert hub.sent == [f"1-{n}" for n in range(count)]
    assert (journal.outbox_entries, journal.bytes) == (0, 0)
