import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from scoring.azureml import score
from scoring.errors import ModelError
from scoring.model.curve import Curve
from tests.onnx_models import record, signature, tiny_model
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


def test_it_says_how_likely_an_engine_lasts_if_the_environment_asks(model_folder, monkeypatch) -> None:
    monkeypatch.setenv("CHANCE_TO_LAST", "20 45")
    with pytest.raises(ModelError, match="tiny does not tell how likely"):
        score.init()
    described = signature(curve=Curve((10.0, 30.0), (40.0, 60.0)))
    (model_folder / "turbofan" / "1" / "tiny.onnx").write_bytes(tiny_model(described))
    score.init()
    assert score.run(record(1))["ChanceToLast"] == {"20": 0.625, "45": 0.1875}
    monkeypatch.setenv("CHANCE_TO_LAST", "soon")
    with pytest.raises(ModelError, match="CHANCE_TO_LAST is 'soon', expected"):
        score.init()


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


@pytest.mark.parametrize("wrapper", ["input_data", "data"])
def test_what_azure_ml_and_mlflow_wrap_is_unwrapped(script, wrapper) -> None:
    bare = script.run({"rows": [record(1, 40.0)]})
    assert script.run({wrapper: {"rows": [record(1, 40.0)]}}) == bare
    assert script.run(json.dumps({wrapper: [{"rows": [record(1, 40.0)]}]})) == [bare]


def test_a_table_as_pandas_splits_it_is_so_many_records(script) -> None:
    rows = [list(record(cycle, 30.0 + cycle).values()) for cycle in (1, 2)]
    table = {"columns": list(record(1)), "index": [0, 1], "data": rows}
    assert [each["PredictedRul"] for each in script.run({"input_data": table})] == [31.0, 32.0]
    for wrong, told in (
        ({**table, "data": [rows[0][1:]]}, "`data` must be a list of rows that have as many values"),
        ({**table, "columns": ["CycleTime"] * len(record(1))}, "the column 'CycleTime' stands twice"),
    ):
        assert told in script.run({"input_data": wrong})["error"]["detail"]


def test_what_numpy_has_parsed_is_taken_and_nan_is_an_absent_value(script) -> None:
    expected = script.run({"rows": [{**record(1), "Sensor1": None}, record(2, 40.0)]})
    values = np.array([list(record(1).values()), list(record(2, 40.0).values())], dtype=np.float32)
    values[0, list(record(1)).index("Sensor1")] = np.nan
    assert script.run({"rows": values}) == expected
    by_name = [{name: np.float32(row[place]) for place, name in enumerate(record(1))} for row in values]
    assert script.run({"rows": by_name}) == expected
    with pytest.raises(TypeError, match="set is nothing that JSON has"):
        script.run({"rows": {1}})


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


def post(url: str, payload: object) -> tuple[int, object]:
    request = urllib.request.Request(url, json.dumps(payload).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.whole
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
        status, answer = post(f"{url}/score", record(1, 40.0))
        assert (status, answer["PredictedRul"]) == (200, 40.0)
        status, answers = post(f"{url}/score", [record(2, 20.0), {"rows": [record(5, 30.0)]}])
        assert (status, [each["PredictedRul"] for each in answers]) == (200, [20.0, 30.0])
        assert answers[0]["WindowFilled"] == 0.4
        status, answer = post(f"{url}/score", {**record(3), "Sensor3": "x"})
        assert (status, answer["error"]["reason"]) == (400, "wrong_type")
        status, answer = post(f"{url}/score", [])
        assert (status, answer["error"]["reason"]) == (400, "empty")
        # Whoever got some of what they asked for finds the rest in its place.
        status, answers = post(f"{url}/score", [record(4, 20.0), {}])
        assert (status, answers[0]["PredictedRul"], answers[1]["error"]["reason"]) == (200, 20.0, "missing_field")
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


def test_the_conda_environment_of_batch_endpoints_keeps_step_with_the_lock() -> None:
    named = pins(server.ROOT / "scoring" / "azureml" / "conda-batch.yml")
    development = pins(server.ROOT / "requirements" / "development.txt")
    assert set(named) - set(development) == {"azureml-core"}
    assert {name: version for name, version in named.items() if name in development} == {
        name: development[name] for name in ("fastavro", "fsspec", "msgspec", "numpy", "onnxruntime", "pyarrow")
    }


def test_the_conda_environment_keeps_step_with_the_lock() -> None:
    named = pins(server.ROOT / "scoring" / "azureml" / "conda.yml")
    assert set(named) == {"azureml-inference-server-http", "numpy", "onnxruntime"}
    device = pins(server.ROOT / "requirements" / "device.txt")
    tested = pins(server.REQUIREMENTS)
    assert named == {name: tested[name] for name in named}
    assert {name: named[name] for name in named if name in device} == {
        name: device[name] for name in ("numpy", "onnxruntime")
    }
