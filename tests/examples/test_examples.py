"""Each example of a model does what it says, by its one command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT

pytestmark = pytest.mark.whole

MNIST = Path(os.environ.get("TURBOFAN_SHARED", ROOT.parent / "shared")) / "data" / "mnist"


def run(example: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / "examples" / example), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_iris_is_served_without_code(tmp_path) -> None:
    said = run("iris_svm.py", "--out", tmp_path)
    assert "the same as in scikit-learn: True" in said
    assert float(re.search(r"accuracy on 45 flowers: ([\d.]+)", said)[1]) > 0.9


def test_digits_are_scikit_learns_own_where_there_is_no_data_folder(tmp_path) -> None:
    said = run("mnist_logistic.py", "--out", tmp_path, "--regularization", 0.1)
    assert "scikit-learn's own digits, 8 x 8 pixels" in said
    assert "'regularization': 0.1" in said
    assert right_about(said) > 0.9
    assert (tmp_path / "samples.png").stat().st_size > 1_000
    assert (tmp_path / "errors.png").stat().st_size > 1_000


def test_the_same_digits_are_registered_once(tmp_path) -> None:
    for _ in range(2):
        said = run("mnist_logistic.py", "--out", tmp_path)
    assert f"registered: {tmp_path / 'registry' / 'mnist' / '1'}" in said


@pytest.mark.skipif(not MNIST.is_dir(), reason="data/mnist is not in ../shared (or the folder TURBOFAN_SHARED names)")
def test_92_of_100_of_mnists_test_digits_are_read_right(tmp_path) -> None:
    said = run("mnist_logistic.py", "--data-folder", MNIST, "--out", tmp_path)
    assert "of 10000 test digits" in said
    assert right_about(said) == pytest.approx(0.92, abs=0.005)


def right_about(said: str) -> float:
    return float(re.search(r"the service is right about ([\d.]+)", said)[1])
