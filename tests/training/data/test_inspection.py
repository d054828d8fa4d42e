"""`inspect` says what is there, what is wrong with it, and writes a task that `fit` takes."""

import csv
from datetime import UTC, datetime, timedelta

import pytest

from scoring.batch.rows import rows
from scoring.model.derived import Category, Period
from training.__main__ import main
from training.data.inspection import inspect
from training.data.proposal import proposal
from training.data.task import read_task
from training.errors import DataError

BEGIN = datetime(2026, 3, 1, 6, tzinfo=UTC)


def log(machines: int = 3, hours: int = 40, **columns) -> list[dict]:
    """Readings, one an hour; a column is a function of machine and hour."""
    return [
        {
            "Asset": f"A{machine}",
            "When": (BEGIN + timedelta(hours=hour)).isoformat(),
            "Flow [l/s]": 10 + hour / 7 + machine,
            **{name: value(machine, hour) for name, value in columns.items()},
        }
        for machine in range(machines)
        for hour in range(hours)
    ]


def test_columns_are_told_apart_by_what_they_hold() -> None:
    found = inspect(
        "x",
        log(
            Mode=lambda _, hour: "idle" if hour % 3 else "run",
            Speed=lambda _, hour: 1450 if hour % 2 else 2900,
            Note=lambda machine, hour: f"{machine} {hour}",
            Empty=lambda *_: None,
            Zero=lambda *_: 0,
            Serial=lambda machine, _: 4711 + machine,
            Mixed=lambda _, hour: "n/a" if hour == 5 else hour / 3,
        ),
    )
    assert (found.machine, found.time, found.cycle, found.every) == ("Asset", "When", "Period", 3600.0)
    assert found.settings == ["Mode", "Speed"]
    assert found.fields == ["Flow [l/s]", "Mixed"]
    assert found.left_out == {
        "Note": "texts, too many for a category",
        "Empty": "it is empty",
        "Zero": "it is always 0",
        "Serial": "each machine has one value for ever",
    }
    assert found.lives == [40, 40, 40]
    assert found.wrong == ["Mixed has 3 values that are no numbers, such as 'n/a'"]


def test_what_a_model_said_of_readings_in_an_archive_is_no_field() -> None:
    answers = {"PredictedRul": lambda _, hour: 40.0 - hour, "RulClass": lambda _, hour: "F25" if hour > 15 else "Full"}
    found = inspect("x", log(**answers, ModelVersion=lambda *_: "b8a00f2e201b"))
    assert (found.fields, found.settings) == (["Flow [l/s]"], [])
    assert found.left_out == dict.fromkeys([*answers, "ModelVersion"], "a model said it, from the others")
    # Columns of one's own may have such names.
    assert inspect("x", log(**answers)).fields == ["Flow [l/s]", "PredictedRul"]


def test_what_is_wrong_is_told() -> None:
    given = log(machines=2)
    mixed = [row for pair in zip(given[:40], given[40:], strict=True) for row in pair]
    late = [*mixed[:10], *mixed[14:20], *mixed[10:14], *mixed[30:], mixed[4], {**mixed[5], "When": "?"}]
    told = inspect("x", late).wrong
    assert [each.split(",", 1)[0].split(":", 1)[0] for each in told] == [
        "the rows of machines are mixed",
        "3 rows stand behind later ones of the same machine",
        "1 rows have no When that can be read",
        "1 rows come again for a period of 3600 s that has one",
        "2 gaps",
    ]
    assert "the longest of 5, leave 10 of them without a reading" in told[-1]


@pytest.mark.parametrize(
    ("form", "ticks"), [(lambda when: when.timestamp(), 1.0), (lambda when: when.timestamp() * 1e3, 1e3)]
)
def test_times_may_be_numbers_since_1970(form, ticks, tmp_path) -> None:
    given = [{**row, "When": form(datetime.fromisoformat(row["When"]))} for row in log()]
    renamed = [{"Timestamp" if name == "When" else name: value for name, value in row.items()} for row in given]
    path = tmp_path / "task.toml"
    path.write_text(proposal(inspect("x", renamed)))
    assert read_task(path).derived["Period"] == Period(
        "Timestamp", 3600.0, datetime(2026, 3, 1, tzinfo=UTC).timestamp(), ticks
    )


def test_the_task_that_is_written_can_be_read_whatever_columns_are_called(tmp_path) -> None:
    name = 'a "b" \\ c\u00e9'
    path = tmp_path / "task.toml"
    path.write_text(
        proposal(inspect(name, log(**{name: lambda _, hour: "\u00fc" if hour % 2 else 'q"'}))), encoding="utf-8"
    )
    task = read_task(path)
    assert (task.name, task.machine, task.cycle, task.settings) == (name, "Asset", "Period", (name,))
    assert task.derived[name] == Category(name, ('q"', "\u00fc"))
    assert [(each.name, each.unit) for each in task.fields] == [("Period", "h"), (name, ""), ("Flow [l/s]", "l/s")]


def test_a_table_that_counts_has_its_count_as_its_cycle() -> None:
    given = [{"Pump": f"P{machine}", "Hour": hour, "Flow": hour / 3} for machine in range(3) for hour in range(1, 30)]
    found = inspect("pumps", given)
    assert (found.machine, found.time, found.cycle) == ("Pump", "", "Hour")
    assert "derived" not in proposal(found)


def test_what_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(DataError, match="found none"):
        inspect("x", [])
    with pytest.raises(DataError, match="no column seems to tell machines apart; name it by --machine, one of a, b"):
        inspect("x", [{"a": number / 3, "b": number / 7} for number in range(50)])
    with pytest.raises(DataError, match="no column seems to tell the order of readings"):
        inspect("x", [{"Machine": f"M{number % 2}", "b": number / 7} for number in range(50)])
    with pytest.raises(DataError, match="has no column 'c'; it has Machine"):
        inspect("x", [{"Machine": "M"}], machine="c")


@pytest.mark.parametrize(("name", "content"), [("x.xls", "a"), ("x.ndjson", "{"), ("x.avro", "a"), ("x.parquet", "a")])
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path, capsys, name, content) -> None:
    (tmp_path / name).write_text(content)
    assert main(["inspect", str(tmp_path / name), "--out", str(tmp_path / "task.toml")]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert str(tmp_path / name) in told


def test_the_page_fits_a_narrow_terminal_and_says_what_comes_next(tmp_path, capsys) -> None:
    path, task = tmp_path / "log.csv", tmp_path / "task.toml"
    given = log(**{"A name that is longer than any column of a page has room for": lambda _, hour: hour / 3})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, given[0])
        writer.writeheader()
        writer.writerows(given)
    assert main(["inspect", str(path), "--out", str(task)]) == 0
    page, following = capsys.readouterr().out.split("holds the task")
    assert max(map(len, page.splitlines()[:-1])) <= 80
    assert "log: 120 readings of 3 machines" in page
    assert "--ended ENDS.csv" in following
    assert next(rows(str(path)))["Flow [l/s]"] == 10.0
