"""The benchmark judges any model and anybody's predictions by the same measures."""

import csv
import json

import numpy as np
import pytest

from scoring.__main__ import main as scoring
from scoring.wire.cmapss import write_trajectories
from tests.onnx_models import signature, tiny_model
from tests.places import ROOT
from tests.training.conftest import wearing_engines
from training.__main__ import main
from training.data.dataset import load_test
from training.data.task import CMAPSS

LENGTHS = [60, 90, 120, 40, 75, 100]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With two of the four sets, of engines that nobody has flown."""
    folder = tmp_path_factory.mktemp("sets")
    for name, lengths in (("FD001", LENGTHS), ("FD003", LENGTHS[::-1])):
        write_trajectories(folder / f"test_{name}.txt", wearing_engines(lengths))
        (folder / f"RUL_{name}.txt").write_text("".join(f"{left}\n" for left in range(0, 10 * len(lengths), 10)))
    return folder


def table(path, data, rul, **more):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ConnectionDeviceId", "CycleTime", "PredictedRul", *more])
        keys = zip(data.trajectories.units, data.trajectories.cycles, strict=True)
        for row, (unit, cycle) in enumerate(keys):
            writer.writerow([f"Client_{unit:03}", cycle, rul[row], *(each[row] for each in more.values())])
    return path


def judged(folder, *given, capsys):
    assert main(["benchmark", *map(str, given), "--data", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_who_knows_the_truth_has_no_error(folder, tmp_path, capsys):
    data = load_test(folder, "FD001")
    path = table(tmp_path / "p.csv", data, data.rul, RulLow=data.rul - 1, RulHigh=data.rul + 1)
    found = judged(folder, "--predictions", f"FD001={path}", capsys=capsys)["FD001"]
    values = {name: each["value"] for name, each in found.items()}
    # Its median is not cut at the cap, and is judged where the truth is.
    last = np.minimum(data.rul[data.last], CMAPSS.cap)
    assert (data.rul[data.last] == last).all()
    assert (values["RMSE, last cycle"], values["macro-F1"], values["CRPS"], values["RMSE, last 30 cycles"]) == (
        0,
        1,
        0,
        0,
    )
    assert (values["coverage"], values["engines held"], values["width"]) == (1, 1, 2)


def test_who_is_off_by_ten_is_off_by_ten_and_without_ends_nothing_is_said_of_them(folder, tmp_path, capsys):
    data = load_test(folder, "FD001")
    path = table(tmp_path / "p.csv", data, data.rul + 10.0)
    found = judged(folder, "--predictions", f"FD001={path}", capsys=capsys)["FD001"]
    for name in ("RMSE, last cycle", "CRPS", "RMSE, last 30 cycles"):
        assert found[name] == {"value": pytest.approx(10), "low": pytest.approx(10), "high": pytest.approx(10)}
    assert not any(name.startswith(("coverage", "width")) for name in found)


def test_a_models_predictions_are_judged_as_the_model_itself(folder, tmp_path, capsys):
    model = ROOT / "models/fd001.onnx"
    written = tmp_path / "p.csv"
    assert scoring(["batch", str(folder / "test_FD001.txt"), str(written), "--model", str(model)]) == 0
    capsys.readouterr()
    of_model = judged(folder, model, "--sets", "FD001", capsys=capsys)["FD001"]
    of_table = judged(folder, "--predictions", f"FD001={written}", capsys=capsys)["FD001"]
    same = [name for name in of_table if name != "CRPS"]
    for name in same:
        assert of_table[name]["value"] == pytest.approx(of_model[name]["value"], rel=1e-3), name
    # A curve says more than its middle.
    assert of_model["CRPS"]["value"] < of_table["CRPS"]["value"]
    assert {"macro-F1, gap of 10", "RMSE, 10 seen", "macro-F1, noise"} <= set(of_model)


def test_the_table_fits_a_narrow_terminal(folder, capsys):
    assert main(["benchmark", str(ROOT / "models/fd001.onnx"), "--data", str(folder), "--sets", "FD001", "FD003"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["FD001", "FD003"]
    # Two more sets would stand beside them.
    assert max(map(len, lines)) + 2 * 13 <= 80


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a,b\n1,2\n", "has no column ConnectionDeviceId"),
        (
            "ConnectionDeviceId,CycleTime,PredictedRul\n1,1,5\n",
            "says nothing of engine 1, cycle 2 of FD001, and of 484",
        ),
        ("ConnectionDeviceId,CycleTime,PredictedRul\nx,1,5\n", "cannot be read as a table of predictions"),
    ],
)
def test_a_table_that_says_too_little_is_refused_with_what_is_missing(folder, tmp_path, capsys, content, told):
    (tmp_path / "p.csv").write_text(content)
    assert main(["benchmark", "--data", str(folder), "--predictions", f"FD001={tmp_path / 'p.csv'}"]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("RulClass", "F26"), ("RulMiddle", "nan"), ("RulMiddle", "x")])
def test_a_cell_that_is_no_prediction_is_named(folder, tmp_path, capsys, name, value):
    data = load_test(folder, "FD001")
    path = table(tmp_path / "p.csv", data, data.rul, **{name: [value] * len(data.rul)})
    assert main(["benchmark", "--data", str(folder), "--predictions", f"FD001={path}"]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert ("F26" if name == "RulClass" else name) in told


def test_models_of_other_telemetry_are_refused(folder, tmp_path, capsys):
    (tmp_path / "tiny.onnx").write_bytes(tiny_model(signature(name="tiny")))
    assert main(["benchmark", str(tmp_path / "tiny.onnx"), "--data", str(folder)]) == 2
    assert "is no model of the benchmark's telemetry: it takes windows of 50 messages" in capsys.readouterr().err
    assert main(["benchmark", "--data", str(folder)]) == 2
    assert "give either a model or --predictions" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["benchmark", "--predictions", "FD005=x.csv"])
