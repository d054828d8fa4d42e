"""Iris flowers by a linear support vector machine, served without code: `python examples/iris_svm.py`."""

import argparse
from pathlib import Path

import joblib
from serving import served
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from training.__main__ import main as training

FIELDS = ("SepalLength", "SepalWidth", "PetalLength", "PetalWidth")


def main() -> None:
    """Train, export, serve, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/iris"), help="directory; default: out/iris")
    parser.add_argument("--penalty", type=float, default=1.0, help="of the margin's errors (C); default: 1")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    iris = load_iris()
    names = iris.target_names[iris.target]
    train_x, test_x, train_y, test_y = train_test_split(iris.data, names, test_size=0.3, random_state=0, stratify=names)
    # With break_ties an SVC chooses the class of the highest score, which is what the graph does.
    estimator = make_pipeline(StandardScaler(), SVC(kernel="linear", C=arguments.penalty, break_ties=True))
    estimator.fit(train_x, train_y)
    joblib.dump(estimator, arguments.out / "iris.joblib")

    # The same as `python -m training export out/iris/iris.joblib --fields SepalLength,...`
    training(["export", str(arguments.out / "iris.joblib"), "--fields", ",".join(FIELDS)])
    with served(arguments.out / "iris.onnx") as service:
        answers = service.score(test_x.tolist())
    predicted = [each["PredictedClass"] for each in answers]
    print(f"one answer of the service: {answers[0]}")
    print(f"accuracy on {len(test_y)} flowers: {accuracy_score(test_y, predicted):.3f}")
    print(confusion_matrix(test_y, predicted, labels=iris.target_names))
    print(f"the same as in scikit-learn: {(estimator.predict(test_x) == predicted).all()}")


if __name__ == "__main__":
    main()
