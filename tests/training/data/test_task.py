"""Any machine's telemetry can be learned from a description, without code."""

import subprocess
import sys

import pytest

from scoring.model.model import Model
from tests.places import ROOT
from training.__main__ import main
from training.data.csv_table import load_table
from training.data.task import read_task
from training.errors import DataError, LabelError, TaskError

EXAMPLES = ROOT / "examples"
PUMPS = EXAMPLES / "pumps.toml"


@pytest.fixture(scope="module")
def pumps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pumps")
    subprocess.run([sys.executable, EXAMPLES / "pumps.py", folder], check=True)
    return folder


@pytest.mark.whole
def test_the_example_becomes_a_model_that_a_device_can_serve(pumps, tmp_path, capsys):
    out = tmp_path / "pumps.onnx"
    asked = ["--task", str(PUMPS), "--data", str(pumps), "--subset", "pumps"]
    assert main(["fit", *asked, "--out", str(out)]) == 0
    signature = Model.load(out).signature
    assert (signature.window, signature.cycle, signature.rul_cap) == (30, "Hour", 100)
    assert signature.classes == ("Now", "Soon", "Later")
    assert [(each.name, each.unit) for each in signature.fields][:2] == [("Hour", "h"), ("Speed", "rpm")]
    assert signature.data["settings"] == ["Speed"]
    assert signature.figures["test"]["macro_f1"] > 0.7
    assert main(["evaluate", str(out), *asked, "--json"]) == 0
    assert main(["report", str(out), *asked, "--out", str(tmp_path / "report")]) == 0
    assert "0 labels differ" in capsys.readouterr().out


def changed(tmp_path, before, after):
    text = PUMPS.read_text()
    assert before in text
    path = tmp_path / "changed.toml"
    path.write_text(text.replace(before, after))
    return path


@pytest.mark.parametrize(
    ("before", "after", "error", "complaint"),
    [
        ("window = 30", "window = '30'", TaskError, "window = '30', expected int"),
        ("window = 30", "", TaskError, "window = None, expected int"),
        ("window = 30", "windows = 30", TaskError, "unknown key 'windows'"),
        ("window = 30", "window = 1", TaskError, "window 1"),
        ('cycle = "Hour"', 'cycle = "Day"', TaskError, "'Day', which is not among its fields"),
        ('["Speed"]', '["Load"]', TaskError, "'Load', which is not among its fields"),
        ("edges = [12, 48]", "edges = [48, 12]", LabelError, "rising"),
        ("[classes]", "[classes", TaskError, "not TOML"),
    ],
)
def test_a_wrong_description_is_named(tmp_path, before, after, error, complaint):
    with pytest.raises(error, match=complaint.replace("[", r"\[")):
        read_task(changed(tmp_path, before, after))


def test_a_description_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TaskError, match=r"none\.toml cannot be read"):
        read_task(tmp_path / "none.toml")


HEADER = "Pump,Hour,Speed,Pressure,Flow,Vibration,BearingTemperature,MotorCurrent"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: expected a column 'Pump', found nothing"),
        (HEADER.replace("Flow", "Flux"), "line 1: expected a column 'Flow'"),
        (HEADER, "expected rows of telemetry, found none"),
        (f"{HEADER},Flow", "line 1: the column 'Flow' stands there twice"),
        (f"{HEADER}\nA,1,2,3,4,5,6", "line 2: expected 8 columns, found 7"),
        (f"{HEADER}\nA,1,2,3,4,5,6,x", "line 2: expected finite numbers, found 'x'"),
        (f"{HEADER}\nA,1,2,3,4,5,6,1_0", "line 2: expected finite numbers, found '1_0'"),
        (f"{HEADER}\nA,1,2,3,4,5,6,nan", "line 2: expected finite numbers, found 'nan'"),
        (f"{HEADER}\nA,1,2,3,4,5,6,1e999", "line 2: expected finite numbers, found '1e999'"),
        (f"{HEADER}\nA,1,2,3,4,5,6,7\nA,1,2,3,4,5,6,7", "line 3: expected Hour to rise by whole numbers"),
        (f"{HEADER}\nA,,2,3,4,5,6,7", "line 2: expected Hour to rise by whole numbers"),
        (f"{HEADER}\nA,1,2,3,4,5,6,7\nB,1,2,3,4,5,6,7\nA,2,2,3,4,5,6,7", "do not stand together; sort them by Pump"),
    ],
)
def test_a_wrong_table_is_named_with_its_line(tmp_path, text, complaint):
    path = tmp_path / "train_pumps.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=complaint):
        load_table(path, read_task(PUMPS))


def test_a_table_may_have_holes_other_columns_another_order_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "test_pumps.csv"
    path.write_text(
        "Hour,Site,Speed,Flow,Pressure,Vibration,BearingTemperature,MotorCurrent,RUL,Pump\n7,X,1,2,,4,5,6,9,A\n"
    )
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    data = load_table(path, read_task(PUMPS))
    assert data.trajectories.values[0, [0, 1, 3]].tolist() == [7, 1, 2]
    assert data.trajectories.values[0, 2] != data.trajectories.values[0, 2]
    assert data.rul.tolist() == [9]
