"""The commands as a person runs them."""

import json

import joblib
import pytest

from scoring.model import Model
from training.__main__ import main


@pytest.fixture(scope="module")
def model(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "deep" / "tiny.onnx"
    assert main(["fit", "--data", str(small), "--subset", "TINY", "--out", str(out)]) == 0
    return out


def test_fit_writes_a_model_that_a_device_loads_with_its_test_figures(model):
    signature = Model.load(model).signature
    assert signature.name == "tiny"
    assert signature.figures["test"]["engines"] == 4


def test_fit_keeps_the_pipeline_for_trainings_own_use(model):
    assert list(joblib.load(model.with_suffix(".joblib")).named_steps) == ["features", "prognosis"]


def test_evaluate_prints_the_figures_that_the_signature_holds(model, small, capsys):
    assert main(["evaluate", str(model), "--data", str(small), "--subset", "TINY", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = Model.load(model).signature.figures["test"]
    assert {key: printed[key] for key in expected} == expected


def test_evaluate_prints_a_table(model, small, capsys):
    main(["evaluate", str(model), "--data", str(small), "--subset", "TINY"])
    assert "macro-F1" in capsys.readouterr().out


def test_the_data_are_found_by_cmapss_dir(model, small, monkeypatch, capsys):
    monkeypatch.setenv("CMAPSS_DIR", str(small))
    assert main(["evaluate", str(model), "--subset", "TINY"]) == 0


def test_the_report_weighs_what_a_failure_and_a_removal_cost(model, small, tmp_path):
    rules = {}
    for failure in ("0.5", "100"):
        out = tmp_path / failure
        costs = ["--failure-cost", failure, "--removal-cost", "1"]
        assert main(["report", str(model), "--data", str(small), "--subset", "TINY", "--out", str(out), *costs]) == 0
        rules[failure] = list(json.loads((out / "figures.json").read_text())["removal"])
        assert f"costs {failure} and a removal in time 1" in (out / "report.html").read_text()
    assert rules["0.5"][0] == "run to failure"
    assert rules["100"][-1] == "run to failure"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fit", "--data", "nowhere", "--out", "x.onnx"], "nowhere has neither train_FD003.txt"),
        (["evaluate", "nothing.onnx"], "nothing.onnx cannot be read"),
        (["fit", "--out", "x.onnx", "--edges", "3", "2", "1"], "rising"),
        (["report", "x.onnx", "--failure-cost", "-1"], "give costs above 0"),
        (["fetch", "--url", "ftp://x"], "neither http"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line_with_exit_code_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    complaints = capsys.readouterr().err.strip().splitlines()
    assert len(complaints) == 1
    assert complaints[0].startswith("error: ")
    assert complaint in complaints[0]
    assert not list(tmp_path.glob("*.onnx"))


def test_the_first_model_of_the_real_engines_reaches_its_figures(cmapss, tmp_path, capsys):
    out = tmp_path / "fd003.onnx"
    assert main(["fit", "--data", str(cmapss), "--subset", "FD003", "--out", str(out)]) == 0
    figures = Model.load(out).signature.figures
    assert figures["test"]["rows"] == 16_596
    assert figures["test"]["accuracy"] >= 0.82
    assert figures["test"]["macro_f1"] >= 0.83
    assert figures["test"]["rmse_last"] <= 11
    assert 0.77 <= figures["cross-validation"]["coverage"] <= 0.83
    assert figures["cross-validation"]["calibration_error"] <= 0.03
    assert "0 labels differ" in capsys.readouterr().out
