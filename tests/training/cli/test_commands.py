"""The commands as a person runs them."""

import dataclasses
import json

import joblib
import numpy as np
import pytest

from scoring.model.model import Model
from scoring.wire.cmapss import Trajectories
from training.__main__ import main
from training.data.dataset import Dataset
from training.data.doubts import doubts
from training.data.labels import Classes

pytestmark = pytest.mark.whole


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


def test_export_says_which_file_devices_serve_where_it_is_given_what_fit_keeps_of_any_version(model, tmp_path, capsys):
    told = f"{model.with_suffix('.joblib')} is what `fit` keeps of a model in scikit-learn: devices serve tiny.onnx"
    assert main(["export", str(model.with_suffix(".joblib"))]) == 2
    assert told in capsys.readouterr().err
    # Of a module that this version does not have.
    earlier = tmp_path / "earlier.joblib"
    earlier.write_bytes(b"ctraining.estimators.gone\nExperts\n.")
    assert main(["export", str(earlier)]) == 2
    assert "was written by another version: devices serve earlier.onnx, which `fit` wrote" in capsys.readouterr().err


@pytest.fixture
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "a/b.onnx"], "a/b.onnx cannot be written: a: File exists; give another place by --out"),
        (["--out", "folder"], "folder is a folder; name the file to write by --out"),
        (["--out", "x.joblib"], "call it .onnx"),
        (["--out", "x.onnx", "--candidate", "worst"], "no candidate 'worst'; `search` compares default, boosting"),
    ],
)
@pytest.mark.usefixtures("in_a_folder_of_its_own")
def test_fit_looks_at_what_it_is_asked_for_before_it_trains(small, arguments, complaint, tmp_path, capsys):
    (tmp_path / "a").write_text("a file")
    (tmp_path / "folder").mkdir()
    assert main(["fit", "--data", str(small), "--subset", "TINY", *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert complaint in told


@pytest.mark.parametrize("cap", ["0", "-5", "nan", "many"])
def test_fit_takes_no_cap_that_cuts_everything_or_nothing(cap, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["fit", "--out", "x.onnx", "--cap", cap])
    assert ended.value.code == 2
    assert f"error: argument --cap: {cap!r}, expected a number from 1" in capsys.readouterr().err


def test_fit_makes_a_model_of_the_candidate_that_is_named(small, tmp_path, capsys):
    out = tmp_path / "tiny.onnx"
    command = [
        "fit",
        "--data",
        str(small),
        "--subset",
        "TINY",
        "--out",
        str(out),
        "--candidate",
        "network-half-the-epochs",
    ]
    assert main(command) == 0
    experts = joblib.load(out.with_suffix(".joblib"))[-1]
    (network,) = (each[-1] for each in experts.whole.graders)
    assert network.max_iter == 10
    told = capsys.readouterr().err
    assert "warning: so few engines that failed can keep the share that the alert misses at 0.091, not at 0.05" in told


def test_fit_says_at_once_how_many_engines_a_guarantee_takes(small, tmp_path, capsys):
    out = str(tmp_path / "x.onnx")
    assert main(["fit", "--data", str(small), "--subset", "TINY", "--out", out, "--alpha", "0.01"]) == 2
    told = capsys.readouterr().err
    assert "alpha 0.01: 10 engines that failed can show no less than 0.091; it takes 99 engines" in told
    assert "fitting" not in told
    with pytest.raises(SystemExit, match="2"):
        main(["fit", "--out", out, "--alpha", "2"])
    assert "error: argument --alpha: '2', expected a number from 1e-06 to 1" in capsys.readouterr().err


def test_doubtful_data_are_told_before_the_fit(small_training):
    values = small_training.trajectories.values.copy()
    values[:, 7] = np.nan
    few = small_training.trajectories.units <= 3
    trajectories = Trajectories(
        small_training.trajectories.units[few], small_training.trajectories.cycles[few], values[few]
    )
    task = dataclasses.replace(small_training.task, cap=1e4, classes=Classes(("a", "b", "c"), (25.0, 5000.0)))
    told = list(doubts(Dataset("TINY", trajectories, small_training.rul[few], "", task)))
    assert [each.split(":")[0] for each in told] == [
        "3 engines are few",
        "the column Sensor4 is empty",
        "no cycle is of class c",
        f"RUL is cut at 10000 cycles, and the longest is {small_training.rul[few].max()}",
    ]
    assert list(doubts(small_training)) == []


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
