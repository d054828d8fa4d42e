import asyncio
import random

import pytest

from modules.edge.hub.dead_letter import bare
from modules.edge.hub.message import OutputMessage
from modules.edge.hub.sender import IN_FLIGHT, PROOFS, SUBMITTED, ConnectionLostError, OrderedSender, Parcel
from modules.edge.journal import Journal, JournalError, Outgoing, Settlement
from modules.edge.journal.outbox import LOST_CONNECTIONS, PAGE, Outbox
from modules.rulclassifier.tables import TABLES
from tests.waiting import until


class Hub:
    """Takes messages one by one when told to, and remembers their order and how many waited at once.

    It refuses a body of `too large`, except as a dead letter.
    """

    carried = 1_000

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.sent: list[str] = []
        self.waiting = 0
        self.most_waiting = 0
        self.orders_waiting: list[str] = []

    async def send(self, message: OutputMessage, *, alone: bool = False) -> None:
        assert message.order not in self.orders_waiting, "two messages of one engine are under way at once"
        self.orders_waiting.append(message.order)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        await self.gate.wait()
        self.waiting -= 1
        self.orders_waiting.remove(message.order)
        if message.body == b"too large" and message.output != "deadletter":
            raise ValueError("too large")
        self.sent.append(message.message_id)

    def open(self) -> None:
        self.gate.set()


def message(number: int, engine: int, body: bytes = b"{}") -> OutputMessage:
    return OutputMessage("predictions", body, f"{engine}-{number}", order=f"Client_{engine}")


async def test_messages_of_one_engine_leave_one_after_the_other_and_those_of_many_together() -> None:
    hub = Hub()
    sender = OrderedSender(hub)
    submitted = asyncio.create_task(_submit(sender, [message(n // 30, n % 30) for n in range(90)]))
    await until(lambda: hub.waiting >= IN_FLIGHT)
    hub.open()
    await submitted
    await sender.idle()
    assert hub.most_waiting == IN_FLIGHT
    for engine in range(30):
        assert [each for each in hub.sent if each.startswith(f"{engine}-")] == [f"{engine}-{n}" for n in range(3)]


async def _submit(sender: OrderedSender, messages: list[OutputMessage]) -> None:
    for each in messages:
        await sender.submit(Parcel(each))


async def test_engines_with_much_to_say_do_not_hold_up_the_others() -> None:
    hub = Hub()
    sender = OrderedSender(hub)
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
    sender = OrderedSender(hub)
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
    sender = OrderedSender(hub)
    await _submit(sender, [message(1, 1, b"too large"), message(2, 1)])
    await sender.idle()
    assert hub.sent == ["1-2"]
    assert "1-1 cannot be sent" in caplog.text


class Line:
    """Connections that end on what `is_fatal` says, with all that is under way; the next is there at once."""

    def __init__(self, is_fatal) -> None:
        self.is_fatal = is_fatal
        self.carried = 0
        self.connections = 1
        self.under_way: set[asyncio.Future] = set()
        self.taken: list[str] = []
        # What was under way when a connection ended, and how much that connection had carried.
        self.ends: list[tuple[list[str], bool]] = []

    async def send(self, message: OutputMessage, *, alone: bool = False) -> None:
        assert not alone or not self.under_way, "something is in flight beside what goes alone"
        answer = asyncio.get_running_loop().create_future()
        answer.message = message
        self.under_way.add(answer)
        await asyncio.sleep(0.001)
        if not answer.done() and self.is_fatal(message, self):
            self.end()
        if not answer.done():
            self.carried += 1
            self.taken.append(message.message_id)
            self.under_way.discard(answer)
            answer.set_result(None)
        await answer

    def end(self) -> None:
        self.ends.append((sorted(each.message.message_id for each in self.under_way), self.carried))
        for each in self.under_way:
            each.set_exception(ConnectionLostError(self.carried))
        self.under_way.clear()
        self.carried = 0
        self.connections += 1


def poison(message: OutputMessage, line: Line) -> bool:
    return b"poison" in message.body and message.output != "deadletter"


async def sent_by(outbox: Outbox, journal: Journal, done) -> None:
    await asyncio.wait_for(running(outbox, journal, done), 30)


async def test_what_ends_connections_is_replaced_after_three_that_carried_others_and_nobody_else_waits(
    journal, caplog
) -> None:
    line = Line(poison)
    messages = [message(n, n % 40, b"poison" if n == 7 else b"{}") for n in range(120)]
    fill(journal, messages)
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    alone = [carried for ids, carried in line.ends if ids == ["7-7"]]
    assert all(carried >= proof for carried, proof in zip(alone[-LOST_CONNECTIONS:], PROOFS, strict=True))
    assert (outbox.replaced, len(line.ends) <= LOST_CONNECTIONS + 2) == (1, True)
    replacement = bare(messages[7])[0].message_id
    assert set(line.taken) == {each.message_id for each in messages} - {"7-7"} | {replacement}
    # In its place: what the same engine says next comes after it.
    assert line.taken.index(replacement) < line.taken.index("7-47")
    assert "message 7-7 for predictions is replaced" in caplog.text
    assert journal.bytes == 0


@pytest.mark.parametrize(("place", "without_proof"), [(0, 1), (3, 0)])
async def test_attempts_are_kept_on_disk_so_that_a_restart_does_not_begin_anew(journal, place, without_proof) -> None:
    fill(journal, [message(n, n, b"poison" if n == place else b"{}") for n in range(3 * IN_FLIGHT)])
    counted = journal.outgoing(place, 1)[0]
    for _ in range(LOST_CONNECTIONS - 1):
        counted = journal.count_lost(counted)
    line = Line(poison)
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    assert outbox.replaced == 1
    # What is known to be suspect never goes together with others; what is first has nothing before it.
    assert [ids for ids, _ in line.ends] == [[f"{place}-{place}"]] * (without_proof + 1)
    assert line.ends[-1][1] >= PROOFS[-1]


async def test_an_engine_that_is_alone_on_the_device_gets_its_poison_replaced_too(journal) -> None:
    line = Line(poison)
    fill(journal, [message(n, 1, b"poison" if n == 5 else b"{}") for n in range(10)])
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    assert outbox.replaced == 1
    # The repeats of the one before it show that the connection carries.
    assert list(dict.fromkeys(line.taken)) == [
        *(f"1-{n}" for n in range(5)),
        "1-5-bare-1",
        *(f"1-{n}" for n in range(6, 10)),
    ]


async def test_what_a_restart_finds_first_is_replaced_too_where_one_engine_is_all_there_is(journal) -> None:
    line = Line(poison)
    fill(journal, [message(n, 1, b"poison" if n == 0 else b"{}") for n in range(5)])
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    assert outbox.replaced == 1
    assert [each for each in dict.fromkeys(line.taken) if each != "1-0-bare-1"] == [f"1-{n}" for n in range(1, 5)]


async def test_a_hub_that_takes_nothing_replaces_nothing(journal) -> None:
    closed = True
    line = Line(lambda _message, _line: closed)
    fill(journal, [message(n, n % 30) for n in range(60)])
    outbox = Outbox(journal, line, bare)
    task = asyncio.create_task(outbox.run())
    await until(lambda: len(line.ends) >= 100)
    closed = False
    await until(lambda: outbox.sent >= 60)
    task.cancel()
    await asyncio.wait([task])
    assert outbox.replaced == 0
    assert all(each.lost == 0 for each in journal.outgoing(0, 100))


@pytest.mark.parametrize("seed", range(3))
async def test_a_link_that_ends_now_and_then_replaces_nothing_and_keeps_the_order_of_each_engine(journal, seed) -> None:
    chance = random.Random(seed)
    await replaces_nothing(journal, Line(lambda _message, _line: chance.random() < 0.1))


@pytest.mark.whole
@pytest.mark.parametrize("after", [1, 2, *PROOFS[1:], PROOFS[-1] + 1])
async def test_a_link_that_ends_after_so_many_messages_replaces_nothing(journal, after) -> None:
    await replaces_nothing(journal, Line(lambda _message, line: line.carried >= after))


async def replaces_nothing(journal: Journal, line: Line) -> None:
    fill(journal, [message(n, n % 30) for n in range(300)])
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    assert outbox.replaced == 0
    assert len(line.ends) >= 5
    for engine in range(30):
        own = [each for each in dict.fromkeys(line.taken) if each.startswith(f"{engine}-")]
        assert own == [f"{engine}-{n}" for n in range(engine, 300, 30)]


async def test_two_that_end_connections_are_both_found(journal) -> None:
    line = Line(poison)
    fill(journal, [message(n, n, b"poison" if n in {4, 9, 30} else b"{}") for n in range(100)])
    outbox = Outbox(journal, line, bare)
    await sent_by(outbox, journal, lambda: journal.outbox_entries == 0)
    assert outbox.replaced == 3
    assert len(line.ends) < 30


async def test_what_can_never_be_sent_is_replaced_at_once_in_its_place(journal) -> None:
    hub = Hub()
    hub.open()
    fill(journal, [message(1, 1), message(2, 1, b"too large"), message(3, 1)])
    outbox = Outbox(journal, hub, lambda each: [message(9, 1), message(10, 1)])
    await running(outbox, journal, lambda: journal.outbox_entries == 0)
    assert hub.sent == ["1-1", "1-9", "1-10", "1-3"]
    assert (outbox.replaced, journal.bytes) == (1, 0)


async def test_what_cannot_be_replaced_for_want_of_a_disk_stays_and_is_tried_again(
    journal, monkeypatch, caplog
) -> None:
    monkeypatch.setattr("modules.edge.hub.sender.RETRY_SECONDS", 0.01)
    hub = Hub()
    hub.open()
    fill(journal, [message(1, 1, b"too large"), message(2, 2)])
    replace, tries = journal.replace, []

    def refuse_twice(*arguments):
        tries.append(arguments)
        if len(tries) < 3:
            raise JournalError("disk full")
        return replace(*arguments)

    monkeypatch.setattr(journal, "replace", refuse_twice)
    outbox = Outbox(journal, hub, bare)
    await running(outbox, journal, lambda: journal.outbox_entries == 0)
    assert hub.sent == ["2-2", "1-1-bare-1"]
    assert caplog.text.count("disk full; message 1-1, which cannot be sent, stays") == 2


async def test_a_replacement_that_cannot_be_sent_either_is_not_replaced_again_and_stays(journal, caplog) -> None:
    hub = Hub()
    hub.open()
    fill(journal, [message(1, 1, b"too large"), message(2, 1)])
    outbox = Outbox(journal, hub, lambda each: [each])
    await running(outbox, journal, lambda: outbox.sent == 1)
    journal.sent(outbox.take_acknowledged())
    assert hub.sent == ["1-2"]
    assert (outbox.replaced, journal.outbox_entries) == (1, 1)
    assert "1-1 cannot be sent and stays in the journal" in caplog.text


async def test_what_replaces_a_message_is_sent_once_while_pages_are_read(journal) -> None:
    hub = Hub()
    hub.open()
    # The last page has room for those that replace others.
    count = 4 * PAGE - 50
    fill(journal, [message(n, n % 50, b"too large" if n % 10 == 0 else b"{}") for n in range(count)])
    outbox = Outbox(journal, hub, bare)
    await running(outbox, journal, lambda: journal.outbox_entries == 0)
    assert len(hub.sent) == len(set(hub.sent)) == count
    assert (outbox.replaced, journal.bytes) == (count // 10, 0)


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite3", limit=10_000_000, own=TABLES)
    yield journal
    journal.close()


def fill(journal: Journal, messages: list[OutputMessage]) -> list[Outgoing]:
    return journal.settle(Settlement(answers=messages))


async def running(outbox: Outbox, journal: Journal, done) -> None:
    """Run an outbox, and what the processor does with what it sent, until `done`."""
    task = asyncio.create_task(outbox.run())

    def is_done() -> bool:
        journal.sent(outbox.take_acknowledged())
        return done()

    await until(is_done)
    task.cancel()
    await asyncio.wait([task])


async def test_the_outbox_of_an_earlier_process_is_sent_in_order_and_cleared_once_acknowledged(journal) -> None:
    hub = Hub()
    hub.open()
    fill(journal, [message(n, 1) for n in range(2 * PAGE + 50)])
    await running(Outbox(journal, hub, bare), journal, lambda: journal.outbox_entries == 0)
    assert hub.sent == [f"1-{n}" for n in range(2 * PAGE + 50)]


async def test_what_was_not_acknowledged_is_sent_by_the_next_process(journal, monkeypatch) -> None:
    monkeypatch.setattr("modules.edge.hub.sender.CLOSE_SECONDS", 0.01)
    hub = Hub()
    fill(journal, [message(n, n) for n in range(5)])
    await running(Outbox(journal, hub, bare), journal, lambda: hub.waiting == 5)
    assert journal.outbox_entries == 5
    hub = Hub()
    hub.open()
    await running(Outbox(journal, hub, bare), journal, lambda: journal.outbox_entries == 0)
    assert sorted(hub.sent) == [f"{n}-{n}" for n in range(5)]


@pytest.mark.parametrize("size", [1, 7, PAGE, 3 * PAGE])
async def test_what_is_added_is_sent_once_and_in_order_also_where_memory_does_not_hold_it(journal, size) -> None:
    hub = Hub()
    hub.open()
    outbox = Outbox(journal, hub, bare)
    count = 0
    task = asyncio.create_task(outbox.run())
    while count < 5 * PAGE:
        outbox.offer(fill(journal, [message(n, 1) for n in range(count, count + size)]))
        count += size
        await asyncio.sleep(0)
        journal.sent(outbox.take_acknowledged())
    await until(lambda: outbox.sent >= count)
    task.cancel()
    await asyncio.wait([task])
    journal.sent(outbox.take_acknowledged())
    assert hub.sent == [f"1-{n}" for n in range(count)]
    assert (journal.outbox_entries, journal.bytes) == (0, 0)


async def test_memory_holds_a_page_and_a_settlement_of_what_waits_at_most(journal) -> None:
    hub = Hub()
    outbox = Outbox(journal, hub, bare)
    task = asyncio.create_task(outbox.run())
    await asyncio.sleep(0)
    for first in range(0, 10 * PAGE, 50):
        outbox.offer(fill(journal, [message(n, n) for n in range(first, first + 50)]))
        await asyncio.sleep(0)
        assert outbox.in_memory < PAGE + 50
    hub.open()
    await until(lambda: outbox.sent >= 10 * PAGE)
    task.cancel()
    await asyncio.wait([task])
    assert sorted(hub.sent) == sorted(f"{n}-{n}" for n in range(10 * PAGE))
