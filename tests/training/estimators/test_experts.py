"""Whole windows and torn ones are answered by different models, in Python and in the graph alike."""

import numpy as np
import pytest

from scoring.model.model import Model
from training.estimators.experts import Experts
from training.export.model_file import export_model
from training.export.verify import predict_by_graph

pytestmark = pytest.mark.whole


@pytest.mark.parametrize(
    ("cycle", "messages", "whole"),
    [
        (1, 1, True),
        (30, 30, True),
        (30, 20, False),
        (300, 50, True),
        (300, 45, True),
        (300, 44, False),
        (300, 1, False),
    ],
)
def test_a_window_is_whole_if_it_holds_nearly_all_messages_that_it_could(cycle, messages, whole):
    features = np.array([[0.5, messages, cycle]], dtype=np.float32)
    assert Experts(None, None, window=50).are_whole(features).tolist() == [whole]


@pytest.fixture
def torn_windows(small_test):
    torn = small_test.windows()[small_test.trajectories.cycles > 60]
    torn[:, :30] = np.nan
    return torn


def test_each_kind_has_its_own_model_and_its_own_calibration(small_fitted, small_test, torn_windows):
    features, experts = small_fitted.pipeline
    whole = features.transform(small_test.windows())
    torn = features.transform(torn_windows)
    for part, x in ((experts.whole, whole), (experts.torn, torn)):
        for found, expected in zip(experts.predict(x).each(), part.predict(x).each(), strict=True):
            np.testing.assert_array_equal(found, expected)
        for found, expected in zip(experts.answers(x), part.answers(x), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert experts.torn.calibration.intervals is not experts.whole.calibration.intervals


def test_a_batch_of_both_kinds_gets_for_each_window_what_it_gets_alone(
    small_fitted, small_training, small_test, torn_windows
):
    model = Model(export_model("tiny", small_fitted, small_training, {}))
    whole = small_test.windows()[-20:]
    mixed = np.stack([whole, torn_windows[-20:]], axis=1).reshape(40, 50, 25)
    together = predict_by_graph(model, mixed).each()
    for start, alone in ((0, whole), (1, torn_windows[-20:])):
        for found, expected in zip(together, predict_by_graph(model, alone).each(), strict=True):
            np.testing.assert_array_equal(found[start::2], expected)


def test_an_engine_known_only_from_its_last_messages_is_seen_to_be_worn(small_fitted, small_test):
    features, experts = small_fitted.pipeline
    last = small_test.windows()[small_test.last]
    last[:, :40] = np.nan
    assert experts.answers(features.transform(last))[1].max() < 60


def test_intervals_of_worn_engines_are_wider_where_less_is_known(small_fitted, small_test):
    features, experts = small_fitted.pipeline
    whole = small_test.windows()[(small_test.rul <= 75) & (small_test.trajectories.cycles > 60)]
    torn = whole.copy()
    torn[:, :45] = np.nan
    width = [np.diff(experts.predict(features.transform(each)).rul[:, ::2]).mean() for each in (whole, torn)]
    assert width[0] < 0.8 * width[1]
