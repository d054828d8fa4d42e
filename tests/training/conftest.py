"""A small machine that wears out, a model of it, and the real data where it can be found."""

import os
from pathlib import Path

import numpy as np
import pytest

from scoring.wire.cmapss import Trajectories, write_rul, write_trajectories
from tests.places import ROOT
from training.data.dataset import load_test, load_training
from training.estimators.recipe import Recipe
from training.fitting.fit import fit
from training.release.fleet import shipped_model

QUICK = Recipe(
    rounds=20,
    columns=0.5,
    networks=1,
    layers=(16,),
    grader_decay=0.5,
    epochs=20,
    folds=2,
)


def wearing_engines(lengths, seed=0, regimes=1, left=0):
    """Engines whose sensors drift exponentially towards failure, which is `left` cycles after the last one."""
    rng = np.random.default_rng(seed)
    parts = []
    for unit, length in enumerate(lengths, start=1):
        cycles = np.arange(1, length + 1)
        wear = np.exp((cycles - length - left) / 40)
        regime = rng.integers(regimes, size=length)
        settings = np.column_stack([10.0 * regime, 0.1 * regime, np.full(length, 100.0)])
        settings[:, :2] += rng.normal(0, 0.002, (length, 2))
        sensors = np.full((length, 21), 500.0) + 30 * regime[:, np.newaxis]
        sensors[:, :12] += np.linspace(-4, 4, 12) * wear[:, np.newaxis] + rng.normal(0, 0.3, (length, 12))
        values = np.column_stack([cycles, settings, np.round(sensors, 2)])
        parts.append((np.full(length, unit), cycles, values))
    return Trajectories(*(np.concatenate(each) for each in zip(*parts, strict=True)))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A directory with a small data set TINY in C-MAPSS format: 10 engines to train on, 4 to test on."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(1)
    write_trajectories(folder / "train_TINY.txt.gz", wearing_engines(rng.integers(130, 260, 10)))
    write_trajectories(folder / "test_TINY.txt", wearing_engines(rng.integers(130, 260, 4), seed=2, left=5))
    write_rul(folder / "RUL_TINY.txt", np.full(4, 5))
    return folder


@pytest.fixture(scope="session")
def small_training(small):
    return load_training(small, "TINY")


@pytest.fixture(scope="session")
def small_test(small):
    return load_test(small, "TINY")


@pytest.fixture(scope="session")
def small_fitted(small_training):
    return fit(QUICK, small_training, lambda *_: None)


@pytest.fixture(scope="session")
def small_model(small_fitted, small_training, small_test):
    """The ONNX file of the small model, with its figures, as `models` would make it."""
    return shipped_model(small_training, [small_test], small_fitted)


@pytest.fixture(scope="session")
def cmapss():
    """The directory of the real C-MAPSS data."""
    for candidate in (os.environ.get("CMAPSS_DIR"), ROOT / "../shared/data/cmapss", ROOT / "data/cmapss"):
        if candidate and any(Path(candidate).glob("train_FD003.txt*")):
            return Path(candidate)
    pytest.skip("no C-MAPSS data; bring it by `python -m training fetch`")
