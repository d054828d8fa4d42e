"""The script of Azure ML's batch endpoints, called as Azure ML calls it."""

import json
import shutil
from pathlib import Path

import pytest

from scoring.__main__ import main
from scoring.azureml import score_files
from scoring.errors import ModelError
from tests.onnx_models import record, tiny_model


@pytest.fixture
def script(tmp_path, monkeypatch):
    model = tmp_path / "tiny.onnx"
    model.write_bytes(tiny_model())
    monkeypatch.setenv("MODEL_PATH", str(model))
    score_files.init()
    return score_files


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "a.ndjson"
    lines = [record(cycle, 20.0 + cycle, ConnectionDeviceId="a") for cycle in range(1, 400)]
    lines.insert(7, {**record(8), "Sensor3": "x", "ConnectionDeviceId": "a"})
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def scored(script, *paths: Path) -> list[dict]:
    return [json.loads(line) for line in script.run([str(path) for path in paths])]


def test_files_are_answered_as_batch_answers_them_and_each_by_itself(script, file, tmp_path, capsys) -> None:
    output = tmp_path / "out.ndjson"
    assert main(["batch", str(file), str(output), "--model", str(tmp_path / "tiny.onnx")]) == 0
    expected = [json.loads(line) for line in output.read_text().splitlines()]
    again = tmp_path / "again.ndjson"
    shutil.copy(file, again)
    answers = scored(script, file, again)
    for path in (file, again):
        of_file = [
            {name: value for name, value in each.items() if name != "File"}
            for each in answers
            if each["File"] == str(path)
        ]
        refused = [each for each in of_file if "Reason" in each]
        assert [each for each in of_file if "Reason" not in each] == expected
        assert [(each["Number"], each["Reason"]) for each in refused] == [(8, "wrong_type")]


def test_a_file_that_cannot_be_read_or_holds_nothing_is_told_among_the_others(script, file, tmp_path) -> None:
    broken, empty = tmp_path / "broken.parquet", tmp_path / "empty.csv"
    broken.write_bytes(b"PAR1")
    empty.write_bytes(b"")
    first, *others, last = scored(script, broken, file, empty)
    assert (first["File"], first["Reason"]) == (str(broken), "unreadable")
    assert len(others) == 400
    assert (last["File"], last["Reason"]) == (str(empty), "empty")


def test_without_a_model_it_says_so(monkeypatch) -> None:
    monkeypatch.setattr(score_files, "_model", None)
    with pytest.raises(ModelError, match="call init"):
        score_files.run([])
