"""Scores of curves are what the field defines them to be."""

import dataclasses

import numpy as np
import pytest

from scoring.model.curve import Curve
from tests.training.conftest import wearing_engines
from training.data.dataset import Dataset
from training.data.labels import Classes, remaining_useful_life
from training.data.task import CMAPSS
from training.evaluation.curves import curve_figures

TASK = dataclasses.replace(CMAPSS, classes=Classes(("soon", "later"), (10.0,)))


def dataset(lengths) -> Dataset:
    engines = wearing_engines(lengths)
    return Dataset("TINY", engines, remaining_useful_life(engines), "", task=TASK)


def certain(rul: np.ndarray, curve: Curve) -> np.ndarray:
    """Curves that fall from 1 to 0 within the cycle before each RUL."""
    return (np.asarray(curve.edges) < rul[:, np.newaxis]).astype(np.float32)


def test_of_a_certain_prediction_the_score_is_the_absolute_error() -> None:
    data = dataset([40, 60])
    curve = Curve(tuple(range(1, 101)), (101.0,))
    assert curve_figures(certain(data.rul, curve), curve, data, 50).crps == pytest.approx(0, abs=0.02)
    late = curve_figures(certain(data.rul + 7, curve), curve, data, 50)
    assert late.crps == pytest.approx(7, abs=0.02)
    # As many moments, of the 51 up to the cap, are said wrongly.
    assert late.brier == pytest.approx(np.mean([min(7, max(0, 51 - rul)) / 51 for rul in data.rul]), abs=0.01)


def test_who_knows_nothing_is_worse_and_who_is_sure_of_what_is_wrong_is_worst() -> None:
    data = dataset([40, 60])
    curve = Curve((20.0, 40.0, 60.0), (80.0,))
    scores = [
        curve_figures(each, curve, data, 50).crps
        for each in (
            certain(data.rul, curve),
            np.full((len(data.rul), 3), 0.5, "f4"),
            certain(60 - data.rul, curve),
        )
    ]
    assert scores == sorted(scores)


def test_scores_are_told_by_class_and_age_with_intervals_by_engine() -> None:
    data = dataset([40, 60, 130])
    curve = Curve((20.0, 40.0, 60.0), (80.0,))
    found = curve_figures(np.full((len(data.rul), 3), 0.5, "f4"), curve, data, 50)
    assert set(found.crps_by_class) == {"soon", "later"}
    assert list(found.crps_by_age) == ["1", "25", "50", "100"]
    assert found.crps_95[0] <= found.crps <= found.crps_95[1]
    assert found.brier_95[0] <= found.brier <= found.brier_95[1]
