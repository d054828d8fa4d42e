"""The models that ship are what a device accepts, and their cards speak of these very files."""

import json

import pytest

from scoring.model.model import Model
from scoring.model.signature import DRIFT_KEY
from tests.places import ROOT
from training.export.model_file import metadata
from training.release.card import card, overview

MODELS = ROOT / "models"
NAMES = ["fd001", "fd002", "fd003", "fd004", "fleet"]


@pytest.mark.parametrize("name", NAMES)
def test_a_device_accepts_the_model_and_its_card_is_its_own(name):
    path = MODELS / f"{name}.onnx"
    content = path.read_bytes()
    assert len(content) <= 4_000_000
    model = Model(content)
    assert model.signature.name == name
    assert json.loads(metadata(content)[DRIFT_KEY])["format"] == 1
    assert path.with_suffix(".md").read_text() == card(model, len(content))


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_calibrated_in_cross_validation(name):
    figures = Model.load(MODELS / f"{name}.onnx").signature.figures["cross-validation"]
    assert 0.77 <= figures["coverage"] <= 0.83
    assert figures["calibration_error"] <= 0.03
    assert 0.77 <= figures["torn"]["coverage"] <= 0.83
    assert figures["alerts"]["recall"] >= 0.95


def test_the_fleet_model_may_be_the_default():
    """Its RMSE is on average within 5% of that of the four models, each on its own test engines."""
    figures = {name: Model.load(MODELS / f"{name}.onnx").signature.figures for name in NAMES}
    ratios = [
        figures["fleet"][f"test {name.upper()}"]["rmse_last"] / figures[name][f"test {name.upper()}"]["rmse_last"]
        for name in NAMES[:4]
    ]
    assert sum(ratios) / 4 <= 1.05


def test_the_overview_is_of_these_models():
    models = {name: Model.load(MODELS / f"{name}.onnx") for name in NAMES}
    assert (MODELS / "README.md").read_text() == overview(models)
