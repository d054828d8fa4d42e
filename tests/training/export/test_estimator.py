import json
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM

from scoring.errors import InvalidTelemetry
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Sender
from training.__main__ import main
from training.errors import ExportError
from training.export.estimator import export_estimator, read_rows
from training.export.made_up_rows import made_up

pytestmark = pytest.mark.whole

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


def test_what_a_forest_would_answer_otherwise_is_told_at_export(tmp_path, capsys) -> None:
    gaps = IRIS.data.copy()
    gaps[::7, 1] = np.nan
    joblib.dump(RandomForestClassifier(5, random_state=0).fit(gaps, IRIS.target), tmp_path / "forest.joblib")
    assert main(["export", str(tmp_path / "forest.joblib"), "--fields", ",".join(names(IRIS))]) == 0
    told = capsys.readouterr().err
    assert "warning: RandomForestClassifier of scikit-learn answers rows with gaps" in told
    assert "on a device a row that lacks a value is refused" in told


TABLE = pd.DataFrame(IRIS.data, columns=names(IRIS)).assign(mode=np.arange(150) % 3, kind=["new", "old", "spare"] * 50)
LENGTH, WIDTH = names(IRIS)[:2]


@pytest.mark.parametrize(
    "coded",
    [OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(), "passthrough"],
    ids=["ignoring", "strict", "bare"],
)
def test_columns_that_are_told_apart_by_name_are_served(coded) -> None:
    columns = ColumnTransformer([("mode", coded, ["mode"]), ("scaled", StandardScaler(), [WIDTH, LENGTH])])
    inner = make_pipeline(columns, LogisticRegression(max_iter=500))
    one = ColumnTransformer([("x", "passthrough", [LENGTH])])
    united = make_pipeline(FeatureUnion([("all", columns), ("one", one)]), LogisticRegression(max_iter=500))
    for each in (inner, united):
        table = TABLE.drop(columns="kind")
        each.fit(table, IRIS.target_names[IRIS.target])
        content = export_estimator("x", each, rows=table.to_numpy()).content
        found = served(content, table.to_dict("records"))
        assert [row["PredictedClass"] for row in found] == each.predict(table).tolist()
        assert Model(content).signature.field_names == tuple(table.columns)


def test_text_is_refused_with_its_column() -> None:
    columns = ColumnTransformer([("kind", OneHotEncoder(), ["kind"]), ("scaled", StandardScaler(), [LENGTH])])
    estimator = make_pipeline(columns, LogisticRegression()).fit(TABLE, IRIS.target)
    with pytest.raises(
        ExportError, match=r"OneHotEncoder takes text in kind \('new', 'old', 'spare'\); devices take num"
    ):
        export_estimator("x", estimator)


def test_members_that_vote_by_probabilities_are_served_and_those_that_show_hands_refused() -> None:
    members = [("a", LogisticRegression(max_iter=500)), ("b", RandomForestClassifier(5, random_state=0))]
    soft = VotingClassifier(members, voting="soft", weights=[2, 1]).fit(IRIS.data, IRIS.target)
    found = served(export_estimator("x", soft, names(IRIS), rows=IRIS.data).content, records(IRIS))
    probabilities = [list(each["Probabilities"].values()) for each in found]
    np.testing.assert_allclose(probabilities, soft.predict_proba(IRIS.data), atol=1e-5)
    assert soft.flatten_transform is True
    with pytest.raises(ExportError, match="a VotingClassifier with voting='soft'"):
        export_estimator("x", VotingClassifier(members).fit(IRIS.data, IRIS.target), names(IRIS))


@pytest.mark.parametrize(
    "detector",
    [
        IsolationForest(n_estimators=20, random_state=0),
        make_pipeline(StandardScaler(), IsolationForest(n_estimators=20, random_state=0, contamination=0.1)),
        make_pipeline(StandardScaler(), OneClassSVM(nu=0.2)),
        LocalOutlierFactor(novelty=True),
    ],
    ids=["forest", "scaled forest", "SVM", "neighbours"],
)
def test_an_outlier_detector_is_served_with_score_and_label(detector) -> None:
    rows = IRIS.data.astype(np.float32).astype(np.float64)
    detector.fit(rows)
    found = served(export_estimator("x", detector, names(IRIS), rows=rows).content, records(IRIS))
    scores = np.array([each["Scores"]["inlier"] for each in found])
    # Between neighbours at the same distance one choice is as good as the other.
    assert np.isclose(scores, detector.decision_function(rows), atol=1e-4).mean() > 0.99
    clear = np.abs(scores) > 1e-4
    labels = np.array([each["PredictedClass"] for each in found])
    expected = np.where(detector.predict(rows) > 0, "inlier", "outlier")
    assert (labels[clear] == expected[clear]).all()
    assert set(labels) == {"inlier", "outlier"}


def test_a_detector_that_judges_nothing_new_is_refused() -> None:
    with pytest.raises(ExportError, match="judges its training rows only; fit it with novelty=True"):
        export_estimator("x", LocalOutlierFactor().fit(IRIS.data), names(IRIS))


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


COUNTER = 5e7 + np.round(np.random.default_rng(0).uniform(0, 400, 3000))


def by_counter() -> HistGradientBoostingClassifier:
    """A model that tells counts of fifty millions apart by 25."""
    rows = np.column_stack([COUNTER, np.random.default_rng(1).normal(20, 3, len(COUNTER))])
    return HistGradientBoostingClassifier(random_state=0).fit(rows, np.where((COUNTER - 5e7) % 50 > 24, "worn", "fine"))


@pytest.mark.parametrize("given", [True, False], ids=["sample", "made up"])
def test_a_column_with_more_digits_than_float32_is_named_with_or_without_a_sample(given) -> None:
    rows = np.column_stack([COUNTER[:500], np.full(500, 20.0)]) if given else None
    with pytest.raises(ExportError, match=r"counter goes up to 5.*e\+07, where float32 has steps of 4.*subtract"):
        export_estimator("x", by_counter(), ["counter", "temperature"], rows=rows)


def calibrated(inner) -> CalibratedClassifierCV:
    rows = np.random.default_rng(0).normal(size=(300, 2))
    return CalibratedClassifierCV(make_pipeline(StandardScaler(), inner)).fit(rows, rows[:, 0] > 0)


def test_a_converter_that_makes_something_else_of_a_model_is_told_from_rounding() -> None:
    with pytest.raises(ExportError, match="makes something else of CalibratedClassifierCV over LogisticRegression"):
        export_estimator("x", calibrated(LogisticRegression()), ["a", "b"])


def test_a_model_whose_converter_fails_is_refused_in_one_line(tmp_path, capsys) -> None:
    joblib.dump(calibrated(LinearSVC()), tmp_path / "svc.joblib")
    assert main(["export", str(tmp_path / "svc.joblib"), "--fields", "a,b"]) == 2
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("error: skl2onnx cannot convert CalibratedClassifierCV over LinearSVC")


def test_scaling_is_not_advised_where_columns_are_scaled() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 2))
    wild = make_pipeline(StandardScaler(), SVC(kernel="poly", degree=9, C=1e9, coef0=50.0, max_iter=20_000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wild.fit(rows, np.sin(9 * rows[:, 0]) > 0)
    with pytest.raises(ExportError, match="its columns are scaled already, so choose a smoother estimator"):
        export_estimator("x", wild, ["a", "b"], rows=rows)


@pytest.mark.parametrize(
    "estimator",
    [
        HistGradientBoostingClassifier(max_iter=5),
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=5)),
        make_pipeline(
            ColumnTransformer([("scaled", StandardScaler(), [0, 2])], remainder="passthrough"),
            HistGradientBoostingClassifier(max_iter=5),
        ),
        make_pipeline(MinMaxScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), SVC(break_ties=True)),
        GaussianNB(),
    ],
    ids=["boosting", "forest", "scaled boosting", "columns apart", "ends", "SVC", "means"],
)
def test_made_up_rows_reach_what_a_model_knows(estimator) -> None:
    data = IRIS.data * 100 + 3_000
    estimator.fit(data, IRIS.target)
    rows = made_up(estimator, 600, 4)
    assert rows.shape == (600, 4)
    labels, counts = np.unique(estimator.predict(rows), return_counts=True)
    assert labels.tolist() == [0, 1, 2]
    assert counts.min() > 20
    np.testing.assert_array_equal(rows, made_up(estimator, 600, 4))


def test_made_up_rows_fall_between_all_neighbouring_thresholds() -> None:
    estimator = by_counter()
    trees = [tree.nodes for stage in estimator._predictors for tree in stage]
    thresholds = np.unique(np.concatenate([each["num_threshold"][each["is_leaf"] == 0] for each in trees]))
    rows = made_up(estimator, 5_000, 2)[:, 0]
    edges = thresholds[thresholds > 1e6]
    reached = np.unique(np.searchsorted(edges, rows))
    assert len(reached) == len(edges) + 1


def test_a_warning_tells_where_answers_hardly_vary(tmp_path, capsys) -> None:
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    joblib.dump(estimator, tmp_path / "iris.joblib")
    (tmp_path / "rows.csv").write_text(",".join(names(IRIS)) + "\n" + "5.1,3.5,1.4,0.2\n5.0,3.4,1.4,0.2\n" * 5)
    given = ["export", str(tmp_path / "iris.joblib"), "--fields", ",".join(names(IRIS))]
    assert main([*given, "--sample", str(tmp_path / "rows.csv")]) == 0
    assert "warning: the sample's rows all get the same class" in capsys.readouterr().err
    assert main(given) == 0
    assert "warning:" not in capsys.readouterr().err


def test_golden_rows_prove_a_file_of_another_estimator_too() -> None:
    boosting = HistGradientBoostingClassifier(max_iter=20).fit(IRIS.data, IRIS.target)
    proof = export_estimator("x", boosting, names(IRIS), rows=IRIS.data).proof
    assert proof.served == []
    assert proof.refused == proof.changes >= 4
    assert proof.windows > 40


def test_a_file_that_holds_no_model_is_refused(tmp_path, capsys) -> None:
    joblib.dump(StandardScaler(), tmp_path / "scaler.joblib")
    (tmp_path / "text.joblib").write_text("text")
    assert main(["export", str(tmp_path / "scaler.joblib")]) == 2
    assert "holds StandardScaler, expected a classifier, a regressor, an outlier detector or" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "text.joblib")]) == 2
    assert "cannot be opened by joblib" in capsys.readouterr().err


def test_the_same_model_is_the_same_file() -> None:
    estimator = LogisticRegression(max_iter=500).fit(IRIS.data, IRIS.target)
    first, second = (export_estimator("x", estimator, names(IRIS)).content for _ in range(2))
    assert first == second


def test_a_sample_may_begin_with_a_byte_order_mark_and_has_each_column_once(tmp_path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_rows(tmp_path / "rows.csv", ["a", "b"]).tolist() == [[1, 2]]
    (tmp_path / "rows.csv").write_text("a,b,a\n1,2,3\n")
    with pytest.raises(ExportError, match="has the column a twice"):
        read_rows(tmp_path / "rows.csv", ["a", "b"])
