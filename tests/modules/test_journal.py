import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from modules.edge.journal.journal import ROW_OVERHEAD, Durability, HistoryChanges, Journal, JournalError
from modules.edge.message import OutputMessage

TOPIC = "devices/d/modules/m/inputs/telemetry/%24.mid="
NOTHING = HistoryChanges()


def answer(number: int, engine: str = "Client_001") -> OutputMessage:
    return OutputMessage("predictions", b"{}", f"id-{number}", f"cid-{number}", engine, {"rulClass": "F25"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path):
    journal = Journal(path, limit=1_000_000)
    yield journal
    journal.close()


def accept(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        assert journal.accept(f"{TOPIC}{number}", b"body")


def reopened(journal: Journal, path, **kwargs) -> Journal:
    journal.close()
    return Journal(path, limit=1_000_000, **kwargs)


def test_what_was_accepted_is_there_after_a_restart_in_its_order(journal, path) -> None:
    accept(journal, 1, 2, 3)
    again = reopened(journal, path)
    taken = []
    while again.wait(0):
        (entry,) = again.take(10)
        taken.append(entry.message.system["mid"])
        again.settle([entry], [], NOTHING)
    again.close()
    assert taken == ["1", "2", "3"]


def test_settling_moves_a_message_from_the_inbox_to_the_outbox(journal) -> None:
    accept(journal, 1, 2)
    entries = journal.take(10)
    journal.settle(entries, [answer(1), answer(2)], NOTHING)
    assert (journal.inbox_entries, journal.outbox_entries) == (0, 2)
    outgoing = journal.outgoing(0, 10)
    assert [each.message for each in outgoing] == [answer(1), answer(2)]
    journal.sent(outgoing)
    assert (journal.outbox_entries, journal.bytes, journal.outgoing(0, 10)) == (0, 0, [])


def test_a_settlement_that_fails_changes_nothing(journal) -> None:
    accept(journal, 1)
    entries = journal.take(1)
    unusable = OutputMessage("predictions", None, "id", order="Client_001")  # NOT NULL fails, as a full disk would
    before = journal.bytes
    with pytest.raises(JournalError):
        journal.settle(
            entries, [answer(1), unusable], HistoryChanges([("Client_001", 1, b"row")], [("Client_001", 1, 1)])
        )
    assert (journal.inbox_entries, journal.outbox_entries, journal.bytes) == (1, 0, before)
    assert [each.seq for each in journal.take(1)] == [entries[0].seq]
    assert journal.history("layout") == []


def test_at_its_limit_nothing_more_is_accepted_until_there_is_room(path) -> None:
    journal = Journal(path, limit=2 * (ROW_OVERHEAD + len(TOPIC) + 1 + len(b"body")))
    accept(journal, 1, 2)
    assert not journal.accept(f"{TOPIC}3", b"body")
    journal.settle(journal.take(1), [], NOTHING)
    assert journal.accept(f"{TOPIC}3", b"body")
    journal.close()


def test_the_bound_holds_after_a_restart(journal, path) -> None:
    accept(journal, *range(10))
    journal.settle(journal.take(3), [answer(n) for n in range(5)], NOTHING)
    taken = journal.bytes
    again = reopened(journal, path)
    assert again.bytes == taken
    again.close()


def test_what_an_earlier_process_left_comes_alone_with_its_attempts(journal, path) -> None:
    accept(journal, 1, 2)
    again = reopened(journal, path)
    accept(again, 3)
    (first,) = again.take(10)
    again.begin(first)
    (first,) = again.take(10)
    assert (again.is_leftover(first), first.attempts) == (True, 1)
    again.settle([first], [], NOTHING)
    again.settle(again.take(10), [], NOTHING)
    (third,) = again.take(10)
    assert not again.is_leftover(third)
    again.close()


def test_histories_come_back_with_the_least_recently_seen_engine_first(journal) -> None:
    for engine, cycle in [("a", 1), ("b", 1), ("a", 2)]:
        accept(journal, 1)
        changes = HistoryChanges([(engine, cycle, b"row")], [(engine, cycle - 4, cycle)])
        journal.settle(journal.take(1), [], changes)
    assert journal.history("other") == []
    accept(journal, 1)
    journal.settle(journal.take(1), [], HistoryChanges([("b", 7, b"7")], [("b", 3, 7)]))
    accept(journal, 1)
    journal.settle(journal.take(1), [], HistoryChanges([("a", 2, b"2"), ("a", 3, b"3")], [("a", -1, 3)]))
    assert journal.history("other") == [("b", 7, b"7"), ("a", 2, b"2"), ("a", 3, b"3")]


def test_cycles_outside_a_history_and_forgotten_engines_go(journal) -> None:
    journal.history("layout")
    accept(journal, 1)
    rows = [("a", cycle, b"") for cycle in (1, 2, 3)] + [("b", 1, b"")]
    journal.settle(journal.take(1), [], HistoryChanges(rows, [("a", 1, 3), ("b", 1, 1)]))
    accept(journal, 1)
    journal.settle(journal.take(1), [], HistoryChanges([("a", 5, b"")], [("a", 3, 5)], ["b"]))
    assert journal.history("layout") == [("a", 3, b""), ("a", 5, b"")]


def test_a_broken_file_is_kept_beside_a_new_one(journal, path) -> None:
    accept(journal, 1)
    journal.close()
    path.write_bytes(b"this is no database, and was never one" * 100)
    again = Journal(path, limit=1_000_000)
    accept(again, 2)
    (kept,) = path.parent.glob("*.broken-*")
    assert (again.set_aside, kept.read_bytes()[:7]) == (1, b"this is")
    again.close()


def test_what_can_still_be_read_of_a_broken_file_is_kept_in_order(journal, path) -> None:
    count = 1000
    accept(journal, *range(count))
    journal.close()
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    again = Journal(path, limit=1_000_000)
    found = []
    while again.wait(0):
        (entry,) = again.take(1)
        found.append(int(entry.message.system["mid"]))
        again.settle([entry], [], NOTHING)
    again.close()
    assert again.set_aside == 1
    assert found == sorted(found)
    # One page of some 70 rows is gone, those before and behind it are there.
    assert count - 100 < len(found) < count


def test_a_file_of_another_layout_is_kept_too(journal, path) -> None:
    journal.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    again = Journal(path, limit=1_000_000)
    assert again.set_aside == 1
    again.close()


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path) -> None:
    with pytest.raises(JournalError, match=r"absent/journal\.sqlite3 cannot be opened"):
        Journal(tmp_path / "absent" / "journal.sqlite3", limit=1)


def test_a_disk_that_is_full_refuses_the_message_and_keeps_the_others(journal) -> None:
    accept(journal, 1)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    assert not journal.accept(TOPIC, b"x" * 100_000)
    assert journal.inbox_entries == 1
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    accept(journal, 2)
    assert len(journal.take(10)) == 2


@pytest.mark.parametrize("durability", list(Durability))
def test_what_was_accepted_survives_a_kill(path, durability) -> None:
    program = f"""
import os, signal
from pathlib import Path
from modules.edge.journal import Durability, Journal
journal = Journal(Path({str(path)!r}), 1_000_000, Durability({durability.value!r}))
assert all(journal.accept("{TOPIC}" + str(n), b"body") for n in range(50))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    journal = Journal(path, limit=1_000_000)
    assert journal.inbox_entries == 50
    journal.close()
