"""Files of the archive are whole, whatever ended the process, and hold each settled record once."""

import errno
import json
from pathlib import Path

import avro.datafile
import avro.io
import fastavro
import pytest

from modules.avrowriter.archive import Archive, ArchiveFullError, Settled
from modules.avrowriter.records import RecordForm, shape

MIDDAY = 1_767_268_800
CAPTURE = shape(RecordForm.CAPTURE)


class Clock:
    def __init__(self, seconds: float = MIDDAY) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def archive(folder: Path, clock: Clock | None = None, limit: int = 10**9, **options) -> Archive:
    return Archive(folder, CAPTURE.schema, 5, limit, now=clock or Clock(), **options)


def record(number: int, size: int = 20) -> dict:
    body = json.dumps({"number": number}).encode().ljust(size)
    return {"EnqueuedTimeUtc": "", "Properties": {"p": "1"}, "SystemProperties": {}, "Body": body}


def numbers(path: Path) -> list[int]:
    with path.open("rb") as file:
        return [json.loads(each["Body"])["number"] for each in fastavro.reader(file)]


def names(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


def test_a_file_grows_for_its_minutes_and_is_whole_then(tmp_path) -> None:
    clock = Clock()
    written = archive(tmp_path, clock)
    written.append([record(1)])
    clock.seconds += 299
    written.append([record(2)])
    assert names(tmp_path) == ["2026/01/01/12/00.avro.part"]
    clock.seconds += 1
    written.append([record(3)])
    assert names(tmp_path) == ["2026/01/01/12/00.avro", "2026/01/01/12/05.avro.part"]
    clock.seconds += 3_600
    written.finish_if_due()
    assert names(tmp_path) == ["2026/01/01/12/00.avro", "2026/01/01/12/05.avro"]
    assert numbers(tmp_path / "2026/01/01/12/00.avro") == [1, 2]
    assert (written.files, written.finished) == (2, 2)
    assert written.bytes == sum(each.stat().st_size for each in tmp_path.rglob("*.avro"))


def test_apaches_own_reader_reads_the_file(tmp_path) -> None:
    written = archive(tmp_path)
    written.append([record(1), record(2)])
    written.finish()
    with (tmp_path / "2026/01/01/12/00.avro").open("rb") as file:
        found = [
            json.loads(each["Body"])["number"] for each in avro.datafile.DataFileReader(file, avro.io.DatumReader())
        ]
    assert found == [1, 2]


def test_what_a_kill_left_unsettled_is_cut_off_and_what_was_settled_is_kept(tmp_path) -> None:
    killed = archive(tmp_path)
    settled = killed.append([record(1), record(2)])
    killed.append([record(3)])
    killed.close()
    after = archive(tmp_path)
    after.recover(settled)
    assert names(tmp_path) == ["2026/01/01/12/00.avro"]
    assert numbers(tmp_path / "2026/01/01/12/00.avro") == [1, 2]
    after.append([record(3)])
    after.finish()
    assert numbers(tmp_path / "2026/01/01/12/00_02.avro") == [3]


def test_of_a_file_that_the_journal_does_not_name_nothing_was_settled(tmp_path) -> None:
    killed = archive(tmp_path)
    killed.append([record(1)])
    killed.close()
    archive(tmp_path).recover(Settled("", 0))
    assert names(tmp_path) == []


def test_where_the_journal_was_lost_all_whole_blocks_are_kept(tmp_path) -> None:
    killed = archive(tmp_path)
    first = killed.append([record(1), record(2)]).length
    second = killed.append([record(3)]).length
    killed.close()
    whole = (tmp_path / "2026/01/01/12/00.avro.part").read_bytes()
    assert len(whole) == second
    for cut in range(second + 1):
        folder = tmp_path / f"cut-{cut}"
        path = folder / "2026/01/01/12/00.avro.part"
        path.parent.mkdir(parents=True)
        # As a power cut leaves it: a part of what was written, and zeros.
        path.write_bytes(whole[:cut] + bytes(7))
        archive(folder).recover(None)
        kept = [] if cut < first else [1, 2] if cut < second else [1, 2, 3]
        found = [number for each in folder.rglob("*.avro") for number in numbers(each)]
        assert found == kept, cut


def test_a_file_without_a_header_is_kept_under_another_name(tmp_path, caplog) -> None:
    path = tmp_path / "2026/01/01/12/00.avro.part"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no avro at all")
    archive(tmp_path).recover(Settled("2026/01/01/12/00.avro", 14))
    assert names(tmp_path) == ["2026/01/01/12/00.avro.broken"]
    assert "is no Avro file" in caplog.text


def test_settled_bytes_that_a_power_cut_took_are_told(tmp_path, caplog) -> None:
    killed = archive(tmp_path)
    killed.append([record(1)])
    settled = killed.append([record(2)])
    killed.close()
    path = tmp_path / "2026/01/01/12/00.avro.part"
    path.write_bytes(path.read_bytes()[:-1])
    archive(tmp_path).recover(settled)
    assert numbers(tmp_path / "2026/01/01/12/00.avro") == [1]
    assert "settled bytes" in caplog.text


@pytest.mark.parametrize("survives_power", [False, True])
def test_a_full_disk_leaves_no_half_of_a_block(tmp_path, monkeypatch, survives_power) -> None:
    written = archive(tmp_path, survives_power=survives_power)
    settled = written.append([record(1)])
    whole_flush = avro.datafile.DataFileWriter.flush

    def full(self) -> None:
        whole_flush(self)
        self.writer.write(b"half of a block")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(avro.datafile.DataFileWriter, "flush", full)
        with pytest.raises(OSError, match="No space"):
            written.append([record(2)])
    assert written.append([record(3)]).length > settled.length
    written.finish()
    assert numbers(tmp_path / "2026/01/01/12/00.avro") == [1, 3]


def test_a_disk_that_is_full_from_the_first_block_on_leaves_nothing(tmp_path, monkeypatch) -> None:
    written = archive(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_args: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
        with pytest.raises(OSError, match="No space"):
            written.append([record(1)])
    written.finish()
    assert names(tmp_path) == []


def test_at_its_limit_it_takes_no_more_until_files_are_collected(tmp_path) -> None:
    clock = Clock()
    written = archive(tmp_path, clock, limit=1_000)
    while written.bytes < 1_000:
        written.append([record(1, 200)])
        clock.seconds += 300
    with pytest.raises(ArchiveFullError, match=r"may hold 1000; collect its files"):
        written.append([record(2)])
    for each in tmp_path.rglob("*.avro"):
        each.unlink()
    written.append([record(2)])
    assert written.bytes < 1_000
    written.close()


def test_no_file_has_the_name_of_one_that_was_collected(tmp_path) -> None:
    settled = None
    for number, name in enumerate(("00.avro", "00_02.avro", "00_03.avro"), start=1):
        restarted = archive(tmp_path)
        restarted.recover(settled)
        settled = restarted.append([record(number)])
        restarted.finish()
        assert names(tmp_path) == [f"2026/01/01/12/{name}"]
        (tmp_path / "2026/01/01/12" / name).unlink()


def test_names_are_in_utc_also_where_the_clock_goes_back(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    clock = Clock()
    written = archive(tmp_path, clock)
    written.append([record(1)])
    clock.seconds = 0
    written.append([record(2)])
    clock.seconds = MIDDAY
    written.append([record(3)])
    written.finish()
    assert names(tmp_path) == ["1970/01/01/00/00.avro", "2026/01/01/12/00.avro", "2026/01/01/12/00_02.avro"]
    assert numbers(tmp_path / "2026/01/01/12/00_02.avro") == [3]
