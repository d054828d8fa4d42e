"""What a person reads of a model: its report, its card, and what it tells a device of its training data."""

import dataclasses
import json
import re

import numpy as np
import pytest

from scoring.model.model import Model
from scoring.model.signature import DRIFT_KEY, Field
from tests.training.conftest import QUICK
from training.export.model_file import metadata
from training.fitting.fit import fit
from training.release.card import card, overview
from training.release.fleet import shipped_model
from training.report.page import write_report
from training.report.two_data_sets import side_by_side

pytestmark = pytest.mark.whole


@pytest.fixture(scope="module")
def written(small_model, small_test, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    write_report(small_model, small_test, out, lambda *_: None)
    return out


def test_the_report_is_one_file_that_needs_no_other(written):
    page = (written / "report.html").read_text()
    assert page.count("<img ") == 11
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower()


@pytest.mark.parametrize("window", [12, 30])
def test_a_report_of_another_machine_is_right_for_its_window_and_speaks_in_its_words(small_training, tmp_path, window):
    names = {"CycleTime": Field("Hour", "h")}
    fields = tuple(names.get(each.name, each) for each in small_training.task.fields)
    task = dataclasses.replace(small_training.task, fields=fields, cycle="Hour", window=window, machine="Pump")
    data = dataclasses.replace(small_training, task=task)
    fitted = fit(QUICK, data, lambda *_: None)
    written = write_report(shipped_model(data, [data], fitted), data, tmp_path, lambda *_: None)
    assert list(written["by messages seen, in mid-life"]) == [str(age) for age in (1, 5, 20) if age < window] + [
        str(window)
    ]
    told = re.sub(r"base64,[^\"]*|<style>.*</style>", "", (tmp_path / "report.html").read_text(), flags=re.DOTALL)
    assert "engine" not in told.lower()
    assert "cycle" not in told.lower()
    assert "RMSE, last hour, truth cut" in told


def test_the_drawings_lie_beside_it(written):
    drawings = {path.stem for path in written.glob("*.png")}
    assert {
        "sensors",
        "predicted",
        "residuals",
        "machines",
        "confusion",
        "reliability",
        "coverage",
        "age",
        "importance",
        "costs",
        "curves",
    } == drawings
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written.glob("*.png"))


def test_its_figures_are_those_of_the_signature(written, small_model):
    figures = json.loads((written / "figures.json").read_text())
    signed = Model(small_model).signature.figures["test TINY"]
    assert figures["figures"]["macro_f1"] == signed["macro_f1"]


def test_only_sensors_that_move_have_importance(written):
    importance = json.loads((written / "figures.json").read_text())["importance"]
    assert set(importance) <= {f"Sensor{number}" for number in range(1, 13)}
    assert importance


def test_the_card_says_what_a_user_must_know(small_model):
    text = card(Model(small_model), len(small_model))
    for said in ("Not to be used for", "airworthiness", "SHA-256", "macro-F1, every cycle", "95%", "F25 (RUL <= 25)"):
        assert said in text
    assert "{" not in text


def test_the_overview_names_the_default(small_model):
    text = overview({"fleet": Model(small_model)})
    assert "`fleet.onnx` is the default" in text
    assert "| [fleet](fleet.md) | 10 engines | TINY |" in text


def test_the_drift_reference_holds_what_training_saw(small_model, small_training):
    reference = json.loads(metadata(small_model)[DRIFT_KEY])
    values = small_training.trajectories.values
    assert reference["settings"] == ["OperationalSetting1", "OperationalSetting2", "OperationalSetting3"]
    assert reference["sensors"] == [f"Sensor{number}" for number in range(1, 22)]
    assert reference["share"] == [1.0]
    np.testing.assert_allclose(reference["mean"][0], values[:, 4:].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(reference["deviation"][0], values[:, 4:].std(axis=0), rtol=1e-4, atol=1e-9)
    middle = reference["levels"].index(0.5)
    np.testing.assert_allclose(
        np.array(reference["quantiles"][0])[:, middle], np.median(values[:, 4:], axis=0), rtol=1e-5
    )


def test_simulated_engines_are_shown_beside_the_real_ones(small_training):
    shifted = small_training.trajectories.values.copy()
    shifted[:, 4] += 10
    other = dataclasses.replace(
        small_training, trajectories=dataclasses.replace(small_training.trajectories, values=shifted)
    )
    table = side_by_side(small_training, other)
    assert set(table) == {f"Sensor{number}" for number in range(1, 13)}
    assert table["Sensor1"]["mean, those"] - table["Sensor1"]["mean, these"] == pytest.approx(10)
    assert table["Sensor1"]["noise, these"] == pytest.approx(0.3, rel=0.2)
    assert table["Sensor1"]["trend, these"] < -2 < 2 < table["Sensor12"]["trend, these"]


def test_it_says_which_machines_to_take_out_first(written):
    due = json.loads((written / "figures.json").read_text())["due"]
    assert 0 < len(due) <= 10
    removal = [each["take out in"] for each in due.values()]
    assert removal == sorted(removal)
    assert all(each["low"] <= each["middle"] <= each["high"] for each in due.values())
    assert "to be taken out first" in (written / "report.html").read_text()
