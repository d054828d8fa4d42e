import json
import warnings

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from scoring.classifier import Classifier
from scoring.errors import InvalidTelemetry
from scoring.model import Model
from scoring.telemetry import Sender
from training.__main__ import main
from training.errors import ExportError
from training.estimator import export_estimator

IRIS = load_iris()
CANCER = load_breast_cancer()
DIABETES = load_diabetes()
SENDER = Sender("gateway", is_module=True)


def served(content: bytes, rows: list[dict]) -> list[dict]:
    """What the module answers to records."""
    classifier = Classifier(Model(content))
    return [each.record() for each in classifier.score(classifier.parser.parse(json.dumps(rows).encode(), SENDER))]


def records(bunch, most: int = 200) -> list[dict]:
    return [dict(zip(names(bunch), row, strict=True)) for row in bunch.data[:most].tolist()]


def names(bunch) -> list[str]:
    return [str(each).replace(" ", "_") for each in bunch.feature_names]


@pytest.mark.parametrize("bunch", [IRIS, CANCER], ids=["three classes", "two classes"])
@pytest.mark.parametrize(
    ("estimator", "weights"),
    [
        (make_pipeline(StandardScaler(), LogisticRegression()), "Probabilities"),
        (make_pipeline(StandardScaler(), LinearSVC()), "Scores"),
        (make_pipeline(StandardScaler(), SVC(kernel="linear", break_ties=True)), "Scores"),
        (HistGradientBoostingClassifier(max_iter=5), "Probabilities"),
    ],
    ids=["logistic regression", "linear SVC", "SVC", "boosting"],
)
def test_a_classifier_is_served_with_its_own_classes(estimator, weights, bunch) -> None:
    estimator.fit(bunch.data, bunch.target_names[bunch.target])
    content = export_estimator("any", estimator, names(bunch), rows=bunch.data).content
    found = served(content, records(bunch))
    assert [each["PredictedClass"] for each in found] == estimator.predict(bunch.data[:200]).tolist()
    assert list(found[0][weights]) == estimator.classes_.tolist()
    if weights == "Probabilities":
        expected = estimator.predict_proba(bunch.data[:200])
        assert np.array([list(each[weights].values()) for each in found]) == pytest.approx(expected, abs=1e-5)
    assert "PredictedRul" not in found[0]


def test_a_regressor_is_served_with_the_names_of_what_it_predicts() -> None:
    both = np.column_stack([DIABETES.target, DIABETES.target / 2])
    estimator = LinearRegression().fit(DIABETES.data, both)
    content = export_estimator("two", estimator, names(DIABETES), ["all", "half"]).content
    found = served(content, records(DIABETES))
    values = [list(each["PredictedValues"].values()) for each in found]
    assert list(found[0]["PredictedValues"]) == ["all", "half"]
    assert np.array(values) == pytest.approx(estimator.predict(DIABETES.data[:200]), rel=1e-5)


def test_a_model_that_takes_no_absent_value_never_answers_one_with_a_number() -> None:
    forest = RandomForestRegressor(3, random_state=0).fit(DIABETES.data, DIABETES.target)
    boosting = HistGradientBoostingClassifier(max_iter=5).fit(IRIS.data, IRIS.target)
    incomplete = {**records(IRIS)[0], names(IRIS)[2]: None}
    svc = LinearSVC().fit(IRIS.data, IRIS.target)
    model = Classifier(Model(export_estimator("svc", svc, names(IRIS)).content))
    (answer,) = model.score(model.parser.parse(json.dumps(incomplete).encode(), SENDER))
    assert isinstance(answer, InvalidTelemetry)
    # Boosting takes absent values, and so does its graph; a forest takes them, but its graph would take them otherwise.
    content = export_estimator("boosting", boosting, names(IRIS), rows=IRIS.data).content
    (found,) = served(content, [incomplete])
    expected = boosting.predict_proba([[np.nan if value is None else value for value in incomplete.values()]])
    assert list(found["Probabilities"].values()) == pytest.approx(expected[0].tolist(), abs=1e-5)
    incomplete = {**records(DIABETES)[0], names(DIABETES)[2]: None}
    model = Classifier(Model(export_estimator("forest", forest, names(DIABETES), rows=DIABETES.data).content))
    (answer,) = model.score(model.parser.parse(json.dumps(incomplete).encode(), SENDER))
    assert isinstance(answer, InvalidTelemetry)


def test_fields_are_those_of_the_data_frame_that_it_was_fitted_on(tmp_path, capsys) -> None:
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    estimator.feature_names_in_ = np.array(names(IRIS), dtype=object)
    joblib.dump(estimator, tmp_path / "iris.joblib")
    (tmp_path / "rows.csv").write_text(",".join(names(IRIS)) + ",more\n5.1,3.5,1.4,0.2,x\n6.2,3.4,5.4,2.3,y\n")
    assert main(["export", str(tmp_path / "iris.joblib"), "--sample", str(tmp_path / "rows.csv")]) == 0
    said = capsys.readouterr()
    assert "runs whatever code the file holds" in said.err
    assert "0 of 2 rows have another answer" in said.out
    signature = Model.load(tmp_path / "iris.onnx").signature
    assert signature.name == "iris"
    assert list(signature.field_names) == names(IRIS)


@pytest.mark.parametrize(
    ("fields", "said"),
    [((), "name them by --fields"), (("a", "b"), "2 fields are named, the model takes 4"), (("a",) * 4, "each once")],
)
def test_fields_that_do_not_fit_are_refused(fields, said) -> None:
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    with pytest.raises(ExportError, match=said):
        export_estimator("x", estimator, fields)


def test_what_cannot_be_converted_is_named_by_its_step() -> None:
    estimator = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression(max_iter=500))
    estimator.fit(IRIS.data, IRIS.target)
    with pytest.raises(ExportError, match=r"step 'functiontransformer' \(FunctionTransformer\) cannot be converted"):
        export_estimator("x", estimator, names(IRIS))


def test_a_model_that_float32_is_not_enough_for_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = SVC(kernel="linear").fit(CANCER.data, CANCER.target)
    with pytest.raises(ExportError, match="scale its columns first"):
        export_estimator("x", estimator, names(CANCER), rows=CANCER.data)


def test_a_file_that_holds_no_model_is_refused(tmp_path, capsys) -> None:
    joblib.dump(StandardScaler(), tmp_path / "scaler.joblib")
    (tmp_path / "text.joblib").write_text("text")
    assert main(["export", str(tmp_path / "scaler.joblib")]) == 2
    assert "holds StandardScaler, expected a classifier, a regressor or a pipeline" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "text.joblib")]) == 2
    assert "cannot be opened by joblib" in capsys.readouterr().err


def test_the_same_model_is_the_same_file() -> None:
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    first, second = (export_estimator("x", estimator, names(IRIS)).content for _ in range(2))
    assert first == second
