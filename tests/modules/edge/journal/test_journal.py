import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from modules.edge.hub.message import OutputMessage, with_arrival
from modules.edge.journal import Durability, Incoming, Journal, JournalBrokenError, JournalError, Settlement
from modules.edge.journal.journal import MAX_ASIDE, ROW_OVERHEAD
from modules.edge.journal.layout import NOTHING
from modules.rulclassifier.tables import TABLES
from tests.places import ROOT

TOPIC = "devices/d/modules/m/inputs/telemetry/%24.mid="
DAMAGES = 150 * int(os.environ.get("FAULT_ROUNDS", "1"))
OLD = ROOT / "tests/modules/files/journal-1.sqlite3"


def answer(number: int, engine: str = "Client_001") -> OutputMessage:
    return OutputMessage("predictions", b"{}", f"id-{number}", f"cid-{number}", engine, {"rulClass": "F25"})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path):
    journal = Journal(path, limit=1_000_000, own=TABLES)
    yield journal
    journal.close()


def accept(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        assert journal.accept(f"{TOPIC}{number}", b"body")


def settle(journal: Journal, entries: list[Incoming], answers: list[OutputMessage] = ()) -> list:  # type: ignore[assignment]
    return journal.settle(Settlement(entries, answers=answers))


def reopened(journal: Journal, path, own=TABLES) -> Journal:
    journal.close()
    return Journal(path, limit=1_000_000, own=own)


def test_what_was_accepted_is_there_after_a_restart_in_its_order(journal, path) -> None:
    accept(journal, 1, 2, 3)
    again = reopened(journal, path)
    taken = []
    while again.wait(0):
        (entry,) = again.take(10)
        taken.append(entry.message.system["mid"])
        settle(again, [entry])
    again.close()
    assert taken == ["1", "2", "3"]


def test_settling_moves_a_message_from_the_inbox_to_the_outbox(journal) -> None:
    accept(journal, 1, 2)
    entries = journal.take(10)
    settle(journal, entries, [answer(1), answer(2)])
    assert (journal.inbox_entries, journal.outbox_entries) == (0, 2)
    outgoing = journal.outgoing(0, 10)
    assert [each.message for each in outgoing] == [answer(1), answer(2)]
    journal.sent(outgoing)
    assert (journal.outbox_entries, journal.bytes, journal.outgoing(0, 10)) == (0, 0, [])


def test_a_settlement_that_fails_changes_nothing(journal) -> None:
    accept(journal, 1)
    entries = journal.take(1)
    unusable = OutputMessage("predictions", b"", None, order="Client_001")  # NOT NULL fails, as a full disk would
    before = journal.bytes
    with pytest.raises(JournalError):
        settle(journal, entries, [answer(1), unusable])
    assert (journal.inbox_entries, journal.outbox_entries, journal.bytes) == (1, 0, before)
    assert [each.seq for each in journal.take(1)] == [entries[0].seq]


@pytest.mark.parametrize("error", [RuntimeError("no SQL"), KeyboardInterrupt()])
def test_any_error_inside_a_settlement_changes_nothing(journal, error) -> None:
    accept(journal, 1)

    def write(connection) -> None:
        connection.execute("DELETE FROM inbox")
        raise error

    before = (journal.inbox_entries, journal.outbox_entries, journal.bytes, journal.newest_outgoing)
    with pytest.raises(type(error)):
        journal.settle(Settlement(answers=[answer(1)], write=write))
    assert (journal.inbox_entries, journal.outbox_entries, journal.bytes, journal.newest_outgoing) == before
    accept(journal, 2)
    assert len(journal.take(10)) == 2


def test_at_its_limit_nothing_more_is_accepted_until_there_is_room(path) -> None:
    journal = Journal(
        path, limit=4 * (ROW_OVERHEAD + len(with_arrival(f"{TOPIC}1", time.time())) + len(b"body")), own=TABLES
    )
    accept(journal, 1, 2)
    assert not journal.accept(f"{TOPIC}3", b"body")
    settle(journal, journal.take(1))
    assert journal.accept(f"{TOPIC}3", b"body")
    journal.close()


def test_the_bound_holds_after_a_restart(journal, path) -> None:
    accept(journal, *range(10))
    settle(journal, journal.take(3), [answer(n) for n in range(5)])
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
    settle(again, [first])
    settle(again, again.take(10))
    (third,) = again.take(10)
    assert not again.is_leftover(third)
    again.close()


def test_a_broken_file_is_kept_beside_a_new_one(journal, path) -> None:
    accept(journal, 1)
    journal.close()
    path.write_bytes(b"this is no database, and was never one" * 100)
    again = Journal(path, limit=1_000_000, own=TABLES)
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
    again = Journal(path, limit=1_000_000, own=TABLES)
    found = []
    while again.wait(0):
        (entry,) = again.take(1)
        found.append(int(entry.message.system["mid"]))
        settle(again, [entry])
    again.close()
    assert again.set_aside == 1
    assert found == sorted(found)
    # One page of some 70 rows is gone, those before and behind it are there.
    assert count - 100 < len(found) < count


def test_a_journal_of_the_first_layout_is_taken_over_whole(path) -> None:
    shutil.copy(OLD, path)
    journal = Journal(path, limit=1_000_000, own=TABLES)
    (first,) = journal.take(10)
    assert (first.message.system["mid"], first.message.properties, first.attempts) == ("m0", {"site": "west"}, 1)
    assert (journal.inbox_entries, journal.set_aside, journal.damaged) == (3, 0, 0)
    outgoing = journal.outgoing(0, 10)
    assert [(each.message.body, each.message.message_id, each.lost) for each in outgoing] == [
        (b'{"n": 0}', "id-0", 0),
        (b'{"n": 1}', "id-1", 0),
    ]
    assert outgoing[0].message.properties == {"rulClass": "F25", "site": "west"}
    # Once more: it is of the newest layout now.
    again = reopened(journal, path)
    assert (again.inbox_entries, again.outbox_entries) == (3, 2)
    again.close()


def test_a_journal_of_the_first_layout_that_lacks_a_table_is_broken_and_saved(path) -> None:
    shutil.copy(OLD, path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TABLE history")
    journal = Journal(path, limit=1_000_000, own=TABLES)
    assert (journal.set_aside, journal.inbox_entries, journal.outbox_entries) == (1, 3, 2)
    journal.close()


def test_a_journal_of_the_first_layout_that_is_cut_off_in_its_migration_is_still_of_the_first(path) -> None:
    shutil.copy(OLD, path)
    program = f"""
import os, signal
from pathlib import Path
from modules.edge.journal import Journal
from modules.edge.journal.layout import Layout
from modules.rulclassifier.tables import TABLES
upgraded = Layout.upgraded
def cut_off(self, old):
    for number, statement in enumerate(upgraded(self, old)):
        if number == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        yield statement
Layout.upgraded = cut_off
Journal(Path({str(path)!r}), 1_000_000, own=TABLES)
"""
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    journal = Journal(path, limit=1_000_000, own=TABLES)
    assert (journal.inbox_entries, journal.outbox_entries, journal.set_aside) == (3, 2, 0)
    journal.close()


def test_a_journal_of_a_newer_layout_is_refused_and_left_as_it_is(journal, path) -> None:
    accept(journal, 1)
    journal.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"written in layout 99 by a newer version.*update this module") as refused:
        Journal(path, limit=1_000_000, own=TABLES)
    assert "\n" not in str(refused.value)
    assert path.read_bytes() == before
    assert list(path.parent.glob("*.broken-*")) == []


def test_a_second_process_is_refused(journal, path) -> None:
    with pytest.raises(JournalError, match="in use by another process"):
        Journal(path, limit=1_000_000, own=TABLES)
    accept(journal, 1)
    again = reopened(journal, path)
    assert again.inbox_entries == 1
    again.close()


def test_a_file_that_cannot_be_written_is_an_error_at_the_start(journal, path, monkeypatch) -> None:
    accept(journal, 1)
    journal.close()
    connect = sqlite3.connect

    def read_only(target, **kwargs):
        # As a file that another user owns: root may write to any, so it is opened as one that may not.
        return connect(f"file:{target}?mode=ro", uri=True, **kwargs)

    monkeypatch.setattr("modules.edge.journal.file.sqlite3.connect", read_only)
    with pytest.raises(JournalError, match=r"journal\.sqlite3 cannot be opened: attempt to write a readonly database"):
        Journal(path, limit=1_000_000, own=TABLES)


def test_a_damaged_row_is_put_aside_and_the_others_go_on(journal, path, caplog) -> None:
    accept(journal, 1, 2, 3)
    settle(journal, [], [answer(n) for n in range(3)])
    journal._connection.execute("UPDATE inbox SET body = 'bodY' WHERE seq = 2")
    journal._connection.execute("UPDATE outbox SET properties = '{' WHERE seq = 1")
    taken = []
    while entries := journal.take(10):
        taken += [each.message.system["mid"] for each in entries]
        settle(journal, entries)
    assert taken == ["1", "3"]
    assert [each.message.message_id for each in journal.outgoing(0, 10)] == ["id-1", "id-2"]
    assert (journal.damaged, journal.inbox_entries, journal.outbox_entries) == (2, 0, 2)
    assert caplog.text.count("is damaged") == 2
    kept = journal._connection.execute("SELECT origin FROM aside ORDER BY seq").fetchall()
    assert kept == [(b"inbox",), (b"outbox",)]


def test_damaged_rows_that_are_kept_are_bounded(journal) -> None:
    settle(journal, [], [answer(n) for n in range(MAX_ASIDE + 50)])
    journal._connection.execute("UPDATE outbox SET body = x'00'")
    assert journal.outgoing(0, MAX_ASIDE + 50) == []
    assert journal._connection.execute("SELECT count(*) FROM aside").fetchone() == (MAX_ASIDE,)
    assert (journal.damaged, journal.outbox_entries, journal.bytes) == (MAX_ASIDE + 50, 0, 0)


def spoilt(content: bytes, seed: int) -> bytes:
    """A few bytes of a file changed, as a worn flash cell or a bug in another program might."""
    chance = random.Random(seed)
    spoiling = bytearray(content)
    for _ in range(chance.choice([1, 1, 4])):
        place = chance.randrange(len(spoiling))
        length = chance.choice([1, 1, 8, 64])
        spoiling[place : place + length] = chance.randbytes(length)
    return bytes(spoiling[: len(content)])


def used_up(journal: Journal) -> Iterator[Incoming]:
    """Do with a journal all that a module does."""
    while entries := journal.take(10):
        yield from entries
        settle(journal, entries, [answer(each.seq) for each in entries])
    while outgoing := journal.outgoing(0, 10):
        journal.sent(outgoing)


@pytest.mark.whole
@pytest.mark.parametrize("layout", ["first", "newest"])
def test_after_any_damage_the_next_start_goes_on_with_what_is_whole(tmp_path, path, layout) -> None:
    if layout == "first":
        shutil.copy(OLD, path)
    else:
        journal = Journal(path, limit=1_000_000, own=TABLES)
        accept(journal, *range(30))
        settle(journal, [], [answer(n) for n in range(30)])
        journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        journal.close()
    content = path.read_bytes()
    whole, newer = 0, []
    for seed in range(DAMAGES):
        target = tmp_path / f"{seed}" / "journal.sqlite3"
        target.parent.mkdir()
        target.write_bytes(spoilt(content, seed))
        try:
            damaged = Journal(target, limit=1_000_000, own=TABLES)
        except JournalError as error:
            newer.append(str(error))
            continue
        try:
            assert all(each.message.body in {b"body"} or layout == "first" for each in used_up(damaged)), seed
        except JournalBrokenError:
            damaged.close()
            damaged = Journal(target, limit=1_000_000, own=TABLES)
            list(used_up(damaged))
        assert (damaged.inbox_entries, damaged.outbox_entries, damaged.bytes) == (0, 0, 0), seed
        accept(damaged, 1)
        damaged.close()
        whole += 1
        shutil.rmtree(target.parent)
    # A damaged number of the layout looks like that of a newer one: left alone, with one line.
    assert all("by a newer version" in each for each in newer)
    assert whole > DAMAGES * 0.95


def test_what_was_committed_last_is_saved_from_the_log_beside_a_broken_file(journal, path, tmp_path) -> None:
    accept(journal, *range(300))
    journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    page = content.index(b"mid=150") // 4096 * 4096
    content[page : page + 4096] = b"\xa5" * 4096
    accept(journal, *range(300, 310))
    killed = tmp_path / "killed" / path.name
    killed.parent.mkdir()
    # As a kill leaves them: nothing of the log has been moved into the file.
    killed.write_bytes(content)
    shutil.copy(f"{path}-wal", f"{killed}-wal")
    # While somebody looks at the file as well, it is not moved when this process closes it either.
    with contextlib.closing(sqlite3.connect(killed)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM held").fetchall()
        again = Journal(killed, limit=1_000_000, own=TABLES)
    found = []
    while entries := again.take(1):
        found.append(int(entries[0].message.system["mid"]))
        settle(again, entries)
    again.close()
    assert again.set_aside == 1
    assert set(range(301, 310)) <= set(found)


def test_a_missing_folder_is_an_error_that_names_the_file(tmp_path) -> None:
    with pytest.raises(JournalError, match=r"absent/journal\.sqlite3 cannot be opened"):
        Journal(tmp_path / "absent" / "journal.sqlite3", limit=1, own=TABLES)


def full(journal: Journal) -> None:
    """Let the disk be as full as the file is long."""
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")


def test_a_disk_that_is_full_refuses_the_message_and_keeps_the_others(journal) -> None:
    accept(journal, 1)
    full(journal)
    assert not journal.accept(TOPIC, b"x" * 100_000)
    assert (journal.inbox_entries, journal.refused) == (1, 1)
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    accept(journal, 2)
    assert len(journal.take(10)) == 2


def test_a_disk_in_trouble_is_told_once_and_recovers_by_itself_also_where_nothing_comes(journal, caplog) -> None:
    full(journal)
    for _ in range(3):
        assert not journal.accept(TOPIC, b"x" * 100_000)
    assert "cannot be written" in journal.trouble
    assert caplog.text.count("cannot be written") == 1
    journal._connection.execute("PRAGMA max_page_count = 1000000")
    journal.tidy()
    assert journal.trouble is None


def test_the_file_and_the_log_beside_it_shrink_again(path) -> None:
    journal = Journal(path, limit=50_000_000, own=TABLES)
    for n in range(100):
        assert journal.accept(f"{TOPIC}{n}", b"x" * 200_000)
    while entries := journal.take(10):
        settle(journal, entries)
    assert path.stat().st_size > 15_000_000
    for _ in range(10):
        journal.tidy()
    assert path.stat().st_size < 5_000_000
    assert path.with_name(path.name + "-wal").stat().st_size < 5_000_000
    journal.close()


def test_an_entry_that_waits_is_not_taken_but_can_be_asked_for(journal, path) -> None:
    accept(journal, 1, 2)
    first, second = journal.take(10)
    journal.settle(Settlement(progress=[(first, "[1]", True)]))
    assert [each.seq for each in journal.take(10)] == [second.seq]
    again = reopened(journal, path)
    assert (again.inbox_entries, again.waiting_entries, again.waiting()) == (1, 1, [first.seq])
    asked = again.entry(first.seq)
    assert (asked.progress, asked.waits, asked.message) == ("[1]", True, first.message)
    settle(again, [asked, *again.take(10)])
    assert (again.inbox_entries, again.waiting_entries, again.bytes, again.entry(first.seq)) == (0, 0, 0, None)
    again.close()


def test_no_more_bytes_are_taken_at_once_than_asked_for_but_one_entry_always(journal) -> None:
    for n in range(5):
        assert journal.accept(f"{TOPIC}{n}", b"x" * 1_000)
    assert [len(journal.take(10, most)) for most in (1, 3_000, 100_000)] == [1, 2, 5]


def test_what_a_connection_was_lost_on_is_counted_and_what_replaces_it_takes_its_place(journal, path) -> None:
    (first, second) = settle(journal, [], [answer(1), answer(2)])
    assert journal.count_lost(first).lost == 1
    again = reopened(journal, path)
    first, second = again.outgoing(0, 10)
    assert (first.lost, second.lost) == (1, 0)
    (added,) = again.replace(first, [answer(3)])
    assert [each.message.message_id for each in again.outgoing(0, 10)] == ["id-2", "id-3"]
    assert again.replace(added, []) == []
    assert again._connection.execute("SELECT count(*) FROM aside").fetchone() == (1,)
    assert again.outbox_entries == 1
    again.close()


@pytest.mark.parametrize("durability", list(Durability))
def test_what_was_accepted_survives_a_kill(path, durability) -> None:
    program = f"""
import os, signal
from pathlib import Path
from modules.edge.journal import Durability, Journal
from modules.rulclassifier.tables import TABLES
journal = Journal(Path({str(path)!r}), 1_000_000, Durability({durability.value!r}), own=TABLES)
assert all(journal.accept("{TOPIC}" + str(n), b"body") for n in range(50))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    journal = Journal(path, limit=1_000_000, own=TABLES)
    assert journal.inbox_entries == 50
    journal.close()


def test_a_module_that_remembers_messages_alone_has_no_tables_of_others(path) -> None:
    journal = Journal(path, limit=1_000_000)
    accept(journal, 1)
    journal = reopened(journal, path, own=NOTHING)
    assert (journal.inbox_entries, journal.set_aside) == (1, 0)
    tables = journal._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} == {b"inbox", b"outbox", b"aside"}
    journal.close()
