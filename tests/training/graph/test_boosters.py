"""Models of LightGBM and XGBoost, made and exported where these are installed, answer here as there."""

import json
import subprocess

import numpy as np
import pytest

from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Sender
from tests.places import ROOT
from training.errors import ExportError
from training.graph.boosters import register

pytestmark = pytest.mark.whole

PYTHON = ROOT / "out/boosting/bin/python"

MADE = """
import json, sys
import joblib, numpy as np
from sklearn.datasets import load_iris, load_diabetes
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from lightgbm import LGBMClassifier, LGBMRegressor
from xgboost import XGBClassifier, XGBRegressor

kind, folder = sys.argv[1:]
regressor = "Regressor" in kind
data = load_diabetes() if regressor else load_iris()
options = {"n_estimators": 10, "random_state": 0, **({"verbose": -1} if "LGBM" in kind else {})}
estimator = {each.__name__: each for each in (LGBMClassifier, LGBMRegressor, XGBClassifier, XGBRegressor)}[
    kind.removeprefix("scaled ")
](**options)
if kind.startswith("scaled "):
    estimator = make_pipeline(StandardScaler(), estimator)
rows = data.data.astype(np.float32)
estimator.fit(rows, data.target)
joblib.dump(estimator, folder + "/model.joblib")
rows[::5, 1] = np.nan
answers = estimator.predict(rows) if regressor else estimator.predict_proba(rows)
json.dump({"rows": rows.tolist(), "answers": np.asarray(answers).tolist()}, open(folder + "/answers.json", "w"))
"""


def run(*arguments: object) -> subprocess.CompletedProcess:
    if not PYTHON.exists():
        pytest.skip("neither LightGBM nor XGBoost is here: make boosting")
    command = [str(PYTHON), "-W", "ignore", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


CLASSIFIERS, REGRESSORS = ["LGBMClassifier", "XGBClassifier"], ["LGBMRegressor", "XGBRegressor"]


@pytest.mark.parametrize("kind", [*CLASSIFIERS, *REGRESSORS, "scaled LGBMClassifier"])
def test_its_answers_are_those_of_its_own_library_gaps_included(tmp_path, kind) -> None:
    made = run("-c", MADE, kind, tmp_path)
    assert made.returncode == 0, made.stderr
    known = json.loads((tmp_path / "answers.json").read_text())
    names = [f"x{number}" for number in range(len(known["rows"][0]))]
    exported = run("-m", "training", "export", tmp_path / "model.joblib", "--fields", ",".join(names))
    assert exported.returncode == 0, exported.stderr
    assert "warning" not in exported.stderr
    classifier = Classifier(Model.load(tmp_path / "model.onnx"))
    body = json.dumps(
        [
            {name: None if np.isnan(value) else value for name, value in zip(names, row, strict=True)}
            for row in known["rows"]
        ]
    )
    records = [each.record() for each in classifier.score(classifier.parser.parse(body.encode(), Sender("g", True)))]
    found = [list((each.get("Probabilities") or each["PredictedValues"]).values()) for each in records]
    np.testing.assert_allclose(found, np.reshape(known["answers"], (len(found), -1)), rtol=2e-5, atol=2e-5)


def test_thresholds_that_are_training_values_are_not_taken_behind_a_scaler_whose_rounding_moves_them(tmp_path) -> None:
    assert run("-c", MADE, "scaled XGBRegressor", tmp_path).returncode == 0
    exported = run("-m", "training", "export", tmp_path / "model.joblib", "--fields", "a,b,c,d,e,f,g,h,i,j")
    assert exported.returncode == 2
    assert "trees need no scaled columns, so leave StandardScaler out" in exported.stderr.splitlines()[-1]


def test_where_no_converter_is_installed_the_extra_is_named() -> None:
    stranger = type("LGBMClassifier", (), {"__module__": "lightgbm.sklearn"})()
    with pytest.raises(ExportError, match=r'converted by onnxmltools, .* pip install "turbofan-edge\[boosting\]"'):
        register(stranger)
