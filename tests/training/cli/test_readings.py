"""Commands take readings as devices sent them, once it is said how machines ended."""

import csv

import pytest

from scoring.model.model import Model
from tests.training.data.test_inspection import log
from training.__main__ import main


def readings(path, machines, *, ended=True):
    rows = [row for machine in range(machines) for row in log(1, 60 + machine, V=lambda _, hour: hour % 7 / 3)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*rows[0], *(["Ended"] if ended else [])])
        count = 0
        for machine in range(machines):
            life = 60 + machine
            for hour in range(life):
                row = {**rows[count], "Asset": f"A{machine:02}"}
                count += 1
                writer.writerow([*row.values(), *(["failed" if hour == life - 1 else ""] if ended else [])])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readings")
    readings(folder / "log.csv", 30)
    readings(folder / "silent.csv", 30, ended=False)
    assert main(["inspect", str(folder / "log.csv"), "--out", str(folder / "task.toml")]) == 0
    return folder


def command(folder, name, *given, of="log.csv"):
    return [name, *given, "--task", str(folder / "task.toml"), "--readings", str(folder / of)]


def test_fit_evaluate_and_report_take_them(folder, capsys):
    model = folder / "model.onnx"
    fit = command(folder, "fit", "--out", str(model), "--candidate", "network-half-the-epochs")
    assert main(fit) == 0
    assert Model.load(model).signature.name == "log"
    assert main(command(folder, "evaluate", str(model))) == 0
    table = capsys.readouterr().out
    told = [line for line in table.splitlines() if line.startswith("macro-F1")]
    # What `fit` reached on the machines that it had held out is what `evaluate` finds.
    assert told[0].split()[-1] == told[1].split()[-1]
    assert main(command(folder, "report", str(model), "--out", str(folder / "report"))) == 0
    assert (folder / "report/report.html").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["fit", "evaluate"])
def test_who_says_nothing_of_how_machines_ended_is_asked(folder, capsys, name):
    out = ["--out", str(folder / "x.onnx")] if name == "fit" else [str(folder / "model.onnx")]
    assert main(command(folder, name, *out, of="silent.csv")) == 2
    told = capsys.readouterr().err
    assert "nothing says how the machines of" in told
    assert "give --run-to-failure, --ended FILE, or a column Ended" in told


def test_what_cannot_be_is_refused_in_one_line(folder, capsys):
    model = str(folder / "model.onnx")
    for given, told in (
        (command(folder, "evaluate", model, "--hold-out", "0"), "none of the machines that were held out has failed"),
        (command(folder, "evaluate", model, of="gone.csv"), "gone.csv"),
        (["evaluate", model, "--run-to-failure"], "of test sets it is on record what was left"),
        (["evaluate", model, "--task", str(folder / "task.toml"), "--data", str(folder)], "by --readings"),
    ):
        assert main(given) == 2
        found = capsys.readouterr().err
        assert told in found
        assert found.count("error:") == 1
