"""A last row counts as a failure only where somebody says that it was one."""

import pytest

from tests.places import ROOT
from training.data.csv_table import load_table
from training.data.endings import Ending, endings_of, read_endings, write_endings
from training.data.task import read_task
from training.errors import DataError

TASK = read_task(ROOT / "examples" / "pumps.toml")
HEADER = ",".join([TASK.machine, *TASK.field_names])


def table(path, column: str, *ends: str):
    """Two rows for each machine, with what stands in the column on its last one."""
    rows = [
        f"P{number},{hour},1450,5,40,2,55,11,{end if hour == 2 else ''}"
        for number, end in enumerate(ends)
        for hour in (1, 2)
    ]
    path.write_text("\n".join([f"{HEADER},{column}", *rows, ""]))
    return load_table(path, TASK)


def test_a_column_says_on_each_machines_last_row_how_it_ended(tmp_path) -> None:
    data = table(tmp_path / "train_pumps.csv", "Ended", "failed", "Running", " removed ")
    assert data.names == ("P0", "P1", "P2")
    assert data.endings == (Ending.FAILED, Ending.RUNNING, Ending.REMOVED)
    failed = data.of(data.failed)
    assert (failed.names, failed.trajectories.engines, failed.rul.tolist()) == (("P0",), 1, [1, 0])


def test_of_some_machines_each_keeps_its_rows(tmp_path) -> None:
    data = table(tmp_path / "train_pumps.csv", "Ended", "running", "failed", "running", "failed")
    failed = data.of(data.failed)
    assert failed.names == ("P1", "P3")
    assert failed.trajectories.units.tolist() == [1, 1, 2, 2]
    assert failed.trajectories.values[:, 0].tolist() == [1, 2, 1, 2]


def test_an_end_that_is_none_is_named_with_its_line(tmp_path) -> None:
    with pytest.raises(DataError, match=r"line 5: expected Ended to be failed, removed, running, found 'sold'"):
        table(tmp_path / "train_pumps.csv", "Ended", "failed", "sold")


def test_what_was_left_is_as_good_as_a_failure(tmp_path) -> None:
    assert table(tmp_path / "train_pumps.csv", "RUL", "3", "0").failed.all()


def test_a_column_beside_it_says_by_which_mode_a_machine_failed(tmp_path) -> None:
    path = tmp_path / "ended.csv"
    path.write_text("Pump,Ended,FailureMode\nA,failed, seal \nB,failed,\nC,removed,seal\n")
    _, modes = read_endings(path, "Pump")
    # Of one that was taken out before, nobody knows.
    assert modes == {"A": "seal", "B": "", "C": ""}
    rows = [f"P{n},{hour},1450,5,40,2,55,11,failed,{'' if hour == 1 else 'fan'}" for n in (1, 2) for hour in (1, 2)]
    (tmp_path / "train_pumps.csv").write_text("\n".join([f"{HEADER},Ended,FailureMode", *rows, ""]))
    data = load_table(tmp_path / "train_pumps.csv", TASK)
    assert (data.modes, data.mode_names) == (("fan", "fan"), ("fan",))
    assert data.of(data.failed).modes == ("fan", "fan")


def test_a_table_that_says_nothing_has_no_endings(tmp_path) -> None:
    assert table(tmp_path / "train_pumps.csv", "Site", "north", "south").endings == ()


def test_what_is_written_is_read_again(tmp_path) -> None:
    path = tmp_path / "ended.csv"
    ends = [("P 1", Ending.RUNNING), ('a "b", c', Ending.FAILED)]
    write_endings(path, "Pump", ends)
    assert read_endings(path, "Pump") == (dict(ends), {})
    assert endings_of(dict(ends), ['a "b", c', "P 1"], path) == (Ending.FAILED, Ending.RUNNING)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Pump,End\nP1,failed\n", "line 1: expected a column 'Ended' once, found Pump, End"),
        ("", "line 1: expected a column 'Pump' once, found nothing"),
        ("Pump,Pump,Ended\n", "line 1: expected a column 'Pump' once"),
        ("Pump,Ended\nP1\n", "line 2: expected 2 columns, found 1"),
        ("Pump,Ended\nP1,failed\nP1,running\n", "line 3: 'P1' stands there twice"),
        ("Pump,Ended\nP1,dead\n", "line 2: expected Ended to be failed, removed, running, found 'dead'"),
    ],
)
def test_a_file_of_endings_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, told) -> None:
    path = tmp_path / "ended.csv"
    path.write_text(text)
    with pytest.raises(DataError) as refusal:
        read_endings(path, "Pump")
    assert str(path) in str(refusal.value)
    assert told in str(refusal.value)


def test_a_machine_of_which_nothing_is_said_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match="says nothing of 'P2', and of 1 in all"):
        endings_of({"P1": Ending.FAILED}, ["P1", "P2"], tmp_path / "ended.csv")
