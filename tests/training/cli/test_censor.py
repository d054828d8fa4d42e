"""From a set that ran to failure to one that did not, and what `fit` makes of it."""

import csv
import shutil
import subprocess
import sys

import pytest

from tests.places import ROOT
from training.__main__ import main
from training.data.endings import read_endings

pytestmark = pytest.mark.whole

PUMPS = ["--task", str(ROOT / "examples" / "pumps.toml"), "--subset", "pumps"]


@pytest.fixture(scope="module")
def pumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pumps")
    subprocess.run([sys.executable, ROOT / "examples" / "pumps.py", folder], check=True)
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_is_cut_and_says_so_in_its_own_column(pumps, tmp_path, capsys) -> None:
    assert main(["censor", *PUMPS, "--data", str(pumps), "--share", "0.5", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "30 machines, 15 failed, 15 running" in told
    cut, whole = rows(tmp_path / "train_pumps.csv"), rows(pumps / "train_pumps.csv")
    assert sum(each["Ended"] == "running" for each in cut) == 15
    assert sum(each["Ended"] == "failed" for each in cut) == 15
    known = {(each["Pump"], each["Hour"]): each["Vibration"] for each in whole}
    assert all(known[each["Pump"], each["Hour"]] == each["Vibration"] for each in cut)
    assert (tmp_path / "test_pumps.csv").read_bytes() == (pumps / "test_pumps.csv").read_bytes()
    assert main(["fit", *PUMPS, "--data", str(tmp_path), "--out", str(tmp_path / "model.onnx")]) == 0
    assert "15 of 30 machines have not failed: a model of the others draws" in capsys.readouterr().err


def test_a_set_of_cmapss_is_cut_and_a_file_says_how_each_engine_ended(small, tmp_path, capsys) -> None:
    given = ["--data", str(small), "--subset", "TINY"]
    assert main(["censor", *given, "--share", "0.3", "--scheme", "closing-date", "--out", str(tmp_path)]) == 0
    command = capsys.readouterr().out.splitlines()[-1]
    assert command.startswith(f"next: python -m training fit --data {tmp_path} --subset TINY --ended {tmp_path}")
    endings, _ = read_endings(tmp_path / "ended_TINY.csv", "unit")
    assert sorted(endings.values()) == ["failed"] * 7 + ["running"] * 3
    assert list(tmp_path.glob("test_TINY.*"))
    assert list(tmp_path.glob("RUL_TINY.*"))


def test_a_table_that_does_not_say_how_its_machines_ended_is_not_trained_on(pumps, tmp_path, capsys) -> None:
    table = rows(pumps / "train_pumps.csv")
    with (tmp_path / "train_pumps.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [name for name in table[0] if name != "Ended"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(table)
    for command in ("fit", "search"):
        out = ["--out", str(tmp_path / "made.onnx")]
        assert main([command, *PUMPS, "--data", str(tmp_path), *out]) == 2
        told = capsys.readouterr().err
        assert "nothing says how the machines of train_pumps.csv ended" in told
        assert "--run-to-failure, --ended FILE, or a column Ended" in told
        assert told.count("\n") == 1


def test_two_things_that_say_how_machines_ended_are_one_too_many(pumps, tmp_path, capsys) -> None:
    ended = tmp_path / "ended.csv"
    ended.write_text("Pump,Ended\nP-000,failed\n")
    given = [*PUMPS, "--data", str(pumps), "--out", str(tmp_path / "model.onnx"), "--ended", str(ended)]
    assert main(["fit", *given]) == 2
    assert "says how machines ended, and so does another" in capsys.readouterr().err
    assert main(["fit", *given[:-2], "--run-to-failure"]) == 2
    assert "and so does --run-to-failure" in capsys.readouterr().err


def test_of_machines_that_all_run_failing_cannot_be_learned(pumps, tmp_path, capsys) -> None:
    text = (pumps / "train_pumps.csv").read_text()
    (tmp_path / "train_pumps.csv").write_text(text.replace("failed", "running"))
    assert main(["fit", *PUMPS, "--data", str(tmp_path), "--out", str(tmp_path / "model.onnx")]) == 2
    assert "none of the 30 machines has failed" in capsys.readouterr().err


def test_a_table_without_a_word_of_its_ends_may_be_declared_to_have_run_to_failure(pumps, tmp_path, capsys) -> None:
    lines = (pumps / "train_pumps.csv").read_text().splitlines()
    (tmp_path / "train_pumps.csv").write_text("\n".join(line.rpartition(",")[0] for line in lines))
    given = [*PUMPS, "--data", str(tmp_path), "--out", str(tmp_path / "model.onnx")]
    assert main(["fit", *given, "--run-to-failure"]) == 0
    assert "have not failed" not in capsys.readouterr().err


def test_only_a_set_that_ran_to_failure_is_cut_and_never_in_its_own_place(pumps, tmp_path, capsys) -> None:
    shutil.copytree(pumps, tmp_path / "pumps")
    given = [*PUMPS, "--data", str(tmp_path / "pumps")]
    assert main(["censor", *given, "--out", str(tmp_path / "pumps")]) == 2
    assert "is where the whole set is" in capsys.readouterr().err
    assert main(["censor", *given, "--out", str(tmp_path / "cut")]) == 0
    assert main(["censor", *PUMPS, "--data", str(tmp_path / "cut"), "--out", str(tmp_path / "again")]) == 2
    assert "not all machines of pumps have failed" in capsys.readouterr().err


def test_a_search_says_that_it_compares_on_machines_that_have_failed(pumps, tmp_path, capsys, monkeypatch) -> None:
    assert main(["censor", *PUMPS, "--data", str(pumps), "--out", str(tmp_path)]) == 0
    compared = []
    monkeypatch.setattr("training.cli.search.search", lambda data, *_: compared.append(data.names) or "")
    assert main(["search", *PUMPS, "--data", str(tmp_path), "--out", str(tmp_path / "search")]) == 0
    assert "compared on the 15 of 30 machines that have failed" in capsys.readouterr().err
    assert len(compared[0]) == 15
