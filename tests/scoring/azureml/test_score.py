import json
import re
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from scoring import score
from scoring.errors import ModelError
from tests.onnx_models import record, tiny_model
from tests.scoring.azureml import server


@pytest.fixture
def model_folder(tmp_path, monkeypatch) -> Path:
    """Models lie some folders deep on Azure ML."""
    folder = tmp_path / "azureml-models"
    (folder / "turbofan" / "1").mkdir(parents=True)
    (folder / "turbofan" / "1" / "tiny.onnx").write_bytes(tiny_model())
    monkeypatch.setenv("AZUREML_MODEL_DIR", str(folder))
    monkeypatch.delenv("MODEL_PATH", raising=False)
    return folder


@pytest.fixture
def script(model_folder):
    score.init()
    return score


@pytest.mark.parametrize("form", ["parsed", "text", "bytes"])
@pytest.mark.parametrize("listed", [False, True])
def test_the_tutorials_message_is_answered_in_every_form(script, form, listed) -> None:
    message = [record(1, 40.0), record(2, 20.0)] if listed else record(1, 40.0)
    text = json.dumps(message)
    answer = script.run({"parsed": message, "text": text, "bytes": text.encode()}[form])
    records = answer if listed else [answer]
    assert [(each["PredictedRul"], each["RulClass"]) for each in records] == [(40.0, "Full"), (20.0, "F25")][
        : len(records)
    ]
    assert records[0]["ConnectionDeviceId"] == "default"
    assert json.loads(json.dumps(answer)) == answer


def test_messages_of_one_engine_build_its_history_and_engines_keep_apart(script) -> None:
    for cycle in (1, 2):
        unnamed = script.run(record(cycle))
    named = script.run(record(1, ConnectionDeviceId="Client_007"))
    assert (unnamed["WindowFilled"], named["WindowFilled"]) == (0.4, 0.2)


def test_a_second_engine_without_a_name_that_starts_at_its_first_cycle_is_scored_by_its_own_messages(script) -> None:
    for cycle in range(1, 4):
        script.run(record(cycle, 90.0))
    assert script.run(record(1, 50.0))["WindowFilled"] == 0.2


def test_a_message_with_all_last_cycles_needs_no_history(script) -> None:
    answer = script.run({"rows": [record(1), record(2, 33.0)]})
    assert (answer["PredictedRul"], answer["WindowFilled"]) == (33.0, 0.4)
    assert script.run(record(9))["WindowFilled"] == 0.2


def test_a_trajectory_is_answered_by_one_table_also_if_it_is_longer_than_a_batch(script) -> None:
    cycles = list(range(1, 101))
    trajectory = {"rows": [record(cycle, 20.0 + cycle) for cycle in cycles], "each": True}
    one, other = script.run([record(7), trajectory])
    assert (one["CycleTime"], other["CycleTime"]) == (7, cycles)
    assert other["PredictedRul"] == [20.0 + cycle for cycle in cycles]


def test_what_cannot_be_scored_is_told_in_its_place(script) -> None:
    answers = script.run([record(1), {**record(2), "Sensor3": "x"}, record(3)])
    assert answers[1] == {
        "error": {
            "reason": "wrong_type",
            "detail": "the field Sensor3 is a string, expected a number",
            "field": "Sensor3",
        }
    }
    assert [each.get("CycleTime") for each in answers] == [1, None, 3]
    assert script.run("{")["error"]["reason"] == "not_json"
    assert script.run("\ud800")["error"]["reason"] == "not_utf8"


def test_the_model_is_found_by_its_path_or_as_the_only_one_in_the_folder(model_folder, monkeypatch) -> None:
    other = model_folder / "other.onnx"
    other.write_bytes(tiny_model())
    with pytest.raises(ModelError, match=r"must hold one ONNX file, found other.onnx, turbofan/1/tiny.onnx"):
        score.init()
    monkeypatch.setenv("MODEL_PATH", str(other))
    score.init()
    monkeypatch.delenv("MODEL_PATH")
    monkeypatch.delenv("AZUREML_MODEL_DIR")
    with pytest.raises(ModelError, match="neither MODEL_PATH nor AZUREML_MODEL_DIR is set"):
        score.init()


def post(url: str, body: bytes) -> object:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.loads(response.read())


def test_azure_mls_inference_server_runs_the_script_unchanged(model_folder) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        server.command(port),
        cwd=server.ROOT,
        env=server.variables(model_folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            assert process.poll() is None
            try:
                urllib.request.urlopen(url, timeout=30).close()
                break
            except OSError:
                time.sleep(0.1)
        assert post(f"{url}/score", json.dumps(record(1, 40.0)).encode())["PredictedRul"] == 40.0
        answers = post(f"{url}/score", json.dumps([record(2, 20.0), {"rows": [record(5, 30.0)]}]).encode())
        assert [each["PredictedRul"] for each in answers] == [20.0, 30.0]
        assert answers[0]["WindowFilled"] == 0.4
    finally:
        process.terminate()
        process.wait(30)


def pins(path: Path) -> dict[str, str]:
    """By package, the version for Python 3.11, which conda.yml names."""
    found = re.findall(
        r"^\s*(?:- )?([a-z0-9-]+)==([^\s;]+)(?: ; python_full_version < '3.12')?", path.read_text(), re.MULTILINE
    )
    versions: dict[str, str] = {}
    for name, version in found:
        versions.setdefault(name, version)
    return versions


def test_the_conda_environment_keeps_step_with_the_lock() -> None:
    named = pins(server.ROOT / "scoring" / "conda.yml")
    assert set(named) == {"azureml-inference-server-http", "numpy", "onnxruntime"}
    device = pins(server.ROOT / "requirements" / "device.txt")
    tested = pins(server.REQUIREMENTS)
    assert named == {name: tested[name] for name in named}
    assert {name: named[name] for name in named if name in device} == {
        name: device[name] for name in ("numpy", "onnxruntime")
    }
