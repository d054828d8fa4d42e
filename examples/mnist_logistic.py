"""Handwritten digits by logistic regression, trained, registered, served and looked at.

    python examples/mnist_logistic.py [--data-folder DIRECTORY] [--regularization 0.5]

The directory holds MNIST's four IDX .gz files; without it, scikit-learn's own digits of 8 x 8 pixels are taken.
"""

import argparse
import gzip
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from serving import served
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from training import export_estimator, register


def read_idx(folder: Path, name: str) -> np.ndarray:
    """An array of an IDX file: its number of dimensions in the fourth byte, their lengths, then bytes."""
    (path,) = sorted(folder.glob(f"{name}*.gz"))
    content = gzip.decompress(path.read_bytes())
    ends = 4 + 4 * content[3]
    return np.frombuffer(content[ends:], np.uint8).reshape(np.frombuffer(content[4:ends], ">i4"))


def load(folder: Path | None) -> list[np.ndarray]:
    """Training images, test images, training labels, test labels; pixels from 0 to 1."""
    if folder is None:
        print("no --data-folder: scikit-learn's own digits, 8 x 8 pixels, instead of MNIST")
        digits = load_digits()
        return train_test_split(digits.images / 16, digits.target, test_size=0.3, random_state=0)
    parts = ("train-images", "t10k-images", "train-labels", "t10k-labels")
    arrays = [read_idx(folder, part) for part in parts]
    return [arrays[0] / 255, arrays[1] / 255, *arrays[2:]]


def draw(images: np.ndarray, titles: list[str], path: Path) -> None:
    """The images in rows of ten."""
    figure, axes = plt.subplots(3, 10, figsize=(11, 4))
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.set_title(title)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
    print(f"drawn: {path}")


def main() -> None:
    """Train, register, serve, ask, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-folder", type=Path, help="MNIST's IDX .gz files")
    parser.add_argument("--regularization", type=float, default=0.5, help="rate; default: 0.5")
    parser.add_argument("--out", type=Path, default=Path("out/mnist"), help="directory; default: out/mnist")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    train_x, test_x, train_y, test_y = load(arguments.data_folder)
    draw(train_x[:30], [str(each) for each in train_y], arguments.out / "samples.png")

    print(f"training on {len(train_x)} images with a regularization rate of {arguments.regularization}")
    estimator = LogisticRegression(C=1 / arguments.regularization, tol=0.001, max_iter=200)
    rows, test_rows = (each.reshape(len(each), -1) for each in (train_x, test_x))
    estimator.fit(rows, train_y)

    fields = [f"Pixel{number}" for number in range(1, rows.shape[1] + 1)]
    content = export_estimator("mnist", estimator, fields, rows=test_rows).content
    metrics = {
        "regularization": arguments.regularization,
        "accuracy": float(accuracy_score(test_y, estimator.predict(test_rows))),
    }
    version = register(arguments.out / "registry", "mnist", content, metrics)
    print(f"registered: {version}, {metrics}")

    with served(version / "model.onnx") as service:
        answers = service.score(test_rows.round(6).tolist())
    predicted = np.array([int(each["PredictedClass"]) for each in answers])
    wrong = np.flatnonzero(predicted != test_y)
    print(f"the service is right about {1 - len(wrong) / len(test_y):.4f} of {len(test_y)} test digits")
    titles = [f"{predicted[each]}, not {test_y[each]}" for each in wrong]
    draw(test_x[wrong], titles, arguments.out / "errors.png")


if __name__ == "__main__":
    main()
