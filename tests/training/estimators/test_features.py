"""Features are what their names say, and the same to the last bit in NumPy and in the graph."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.training.conftest import wearing_engines
from training.data.windows import windows
from training.estimators.features import STEPS, WindowFeatures, filter_bank
from training.graph.features import FeaturesGraph
from training.graph.nodes import Nodes, Tensor

W = 50


def fitted(regimes, **parameters):
    engines = wearing_engines([150, 180, 200], regimes=regimes)
    return WindowFeatures(**parameters).fit(windows(engines, W))


def session_of(features):
    nodes = Nodes()
    answer = FeaturesGraph(features, 25).add(nodes, "x")
    content = nodes.model(
        "features", "", {"x": Tensor((W, 25))}, {"features": (answer, Tensor((features.n_features_out_,)))}
    )
    return onnxruntime.InferenceSession(content.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module", params=[1, 3])
def both(request):
    """Features and their graph, of an engine with one and with several regimes."""
    features = fitted(request.param)
    return features, session_of(features)


VALUES = st.one_of(
    st.floats(width=32, allow_nan=True, allow_infinity=True),
    st.sampled_from([np.float32(value) for value in (0, 10, 20, 100, 499.53, 500, 530, 560, np.nan)]),
)


@pytest.mark.whole
@settings(max_examples=60, deadline=None)
@given(x=npst.arrays(np.float32, st.tuples(st.integers(1, 3), st.just(W), st.just(25)), elements=VALUES))
def test_graph_and_numpy_agree_bit_for_bit_on_any_window(both, x):
    features, session = both
    expected = features.transform(x)
    (found,) = session.run(None, {"x": x})
    assert np.isfinite(found).all()
    assert found.tobytes() == expected.tobytes()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), hidden=st.floats(0, 1))
def test_graph_and_numpy_agree_bit_for_bit_on_holes_and_gaps(both, seed, hidden):
    features, session = both
    rng = np.random.default_rng(seed)
    x = windows(wearing_engines([120], seed=seed, regimes=features.regimes_.count), W)
    x[rng.random(x.shape) < hidden] = np.nan
    x[:, rng.random(W) < hidden / 2] = np.nan
    (found,) = session.run(None, {"x": x})
    assert np.isfinite(found).all()
    assert found.tobytes() == features.transform(x).tobytes()


def test_settings_halfway_between_two_regimes_are_those_of_the_first_however_the_window_is_read():
    features = fitted(3)
    regimes, session = features.regimes_, session_of(features)
    steps = [np.arange(0, 513) if scale else np.zeros(1) for scale in regimes.scale]
    grid = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 3).astype(np.float32)
    distances = np.square(grid[:, np.newaxis] - regimes.centres).sum(axis=-1)
    halfway = grid[np.count_nonzero(distances == distances.min(axis=1, keepdims=True), axis=1) > 1]
    x = windows(wearing_engines([W], regimes=3), W)[[-1]].repeat(len(halfway), axis=0)
    x[:, 20, 1:4] = halfway / np.where(regimes.scale > 0, regimes.scale, 1) + regimes.offset
    assert len(x)
    # What could well be a reading there; an impossible one would count as missing anyway.
    x[:, 20, features.sensors_] = features.mean_[regimes.of(x[:, 20, 1:4])]
    holed = x.copy()
    holed[:, 5, 7] = np.nan
    for each in (x, holed, np.concatenate([x, holed])):
        (found,) = session.run(None, {"x": each})
        assert found.tobytes() == features.transform(each).tobytes()


def test_the_order_of_the_sums_does_not_matter(both):
    features, _ = both
    largest = 16 * STEPS * np.abs(features.bank_).sum(axis=0)
    assert largest.max() < 2**24


def test_means_and_slopes_are_about_in_standard_deviations():
    weights, divisors = filter_bank(W, means=(1, 10), slopes=(15,))
    steady, ramp = np.full(W, 2.0 * STEPS), np.arange(W) * 0.1 * STEPS
    np.testing.assert_allclose(steady @ weights / divisors, [2, 2 * 10 / 8, 0], atol=1e-6)
    np.testing.assert_allclose((ramp @ weights / divisors)[:2], [4.9, 4.45 * 10 / 8], rtol=1e-6)
    assert 0.7 * 1.5 <= (ramp @ weights / divisors)[2] <= 1.5 * 1.5


def test_the_middle_between_any_two_features_is_a_float32():
    """A tree's threshold lies there; rounded to float32 it could land on a feature, and the row take another branch."""
    features = fitted(1)
    x = features.transform(windows(wearing_engines([200], seed=7), W)).astype(np.float64)
    rng = np.random.default_rng(0)
    middle = (x[rng.integers(200, size=500)] + x[rng.integers(200, size=500)]) / 2
    np.testing.assert_array_equal(middle, middle.astype(np.float32))


def test_lengths_beyond_the_window_are_cut_to_it():
    weights, divisors = filter_bank(3, means=(1, 50), slopes=(50,))
    np.testing.assert_allclose(np.full(3, STEPS) @ weights / divisors, [1, 3 / 4, 0])


def test_regimes_are_found_and_taken_out():
    features = fitted(3)
    assert features.regimes_.count == 3
    healthy = features.transform(windows(wearing_engines([400], seed=5, regimes=3), W))[60:200]
    # The sensors jump by 30 between regimes; within each they stay close to the healthy level.
    assert np.abs(healthy[:, :-7]).max() < 5


def test_one_regime_is_not_split():
    assert fitted(1).regimes_.count == 1


def test_constant_sensors_drop_out():
    features = fitted(1)
    assert features.sensors_.tolist() == list(range(4, 16))


def test_a_missing_value_counts_as_the_usual_one():
    features = fitted(1)
    x = windows(wearing_engines([300], seed=3), W)[[120]]
    holed = x.copy()
    holed[0, 10:20, 6] = np.nan
    assert np.abs(features.transform(holed) - features.transform(x)).max() < 0.5


def test_a_value_whose_regime_cannot_be_told_counts_as_missing():
    features = fitted(3)
    x = windows(wearing_engines([300], seed=6, regimes=3), W)[[120]]
    told, untold, without = x.copy(), x.copy(), x.copy()
    told[:, 15:25, 1] = np.nan
    untold[:, 15:25, 1:3] = np.nan
    without[:, 15:25, 1:] = np.nan
    np.testing.assert_array_equal(features.transform(told), features.transform(x))
    np.testing.assert_array_equal(features.transform(untold), features.transform(without))
    assert np.abs(features.transform(untold) - features.transform(x))[0, :-7].max() < 1


def test_a_value_that_belongs_to_another_regime_counts_as_missing():
    """As of a sensor that is stuck, or of a reading that is mad."""
    features = fitted(3)
    x = windows(wearing_engines([300], seed=6, regimes=3), W)[[120]]
    stuck, without = x.copy(), x.copy()
    stuck[:, :, 6] = x[:, 0, 6]
    of_first = features.regimes_.of(x[:, :, 1:4]) == features.regimes_.of(x[:, 0, 1:4])[:, np.newaxis]
    without[:, :, 6] = np.where(of_first, x[:, 0, 6], np.nan)
    np.testing.assert_array_equal(features.transform(stuck), features.transform(without))
    mad, silent = x.copy(), x.copy()
    mad[:, 30, 6], silent[:, 30, 6] = 1e6, np.nan
    np.testing.assert_array_equal(features.transform(mad), features.transform(silent))


def test_what_training_saw_is_never_taken_for_impossible():
    engines = wearing_engines([150, 180, 200])
    engines.values[77, 6] += 1e4
    x = windows(engines, W)
    features = WindowFeatures().fit(x)
    without = x.copy()
    without[77, -1, 6] = np.nan
    assert np.abs(features.transform(x[77:78]) - features.transform(without[77:78])).max() > 1


def test_chosen_rows_have_the_features_that_they_have_among_all():
    features = fitted(3)
    x = windows(wearing_engines([200], seed=8, regimes=3), W)
    rows = np.array([150, 3, 70])
    np.testing.assert_array_equal(features.transform(x, rows), features.transform(x)[rows])
    np.testing.assert_array_equal(features.counts(x), features.transform(x)[:, -7:])


def test_messages_are_counted_lately_and_in_all():
    features = fitted(1)
    x = windows(wearing_engines([200], seed=8), W)[[120]]
    x[0, W - 13 : W - 1] = np.nan
    # In the last 2, 5, 10, 15, 20 cycles, in all; and the cycle.
    assert features.counts(x).tolist() == [[1, 1, 1, 3, 8, W - 12, 121]]


def test_messages_whose_regime_is_unclear_teach_nothing_of_any_regime():
    x = windows(wearing_engines([150, 180, 200], regimes=3), W)
    x[::20, -1, 1:3] = np.nan
    features, clear = WindowFeatures().fit(x), fitted(3)
    assert features.sensors_.tolist() == clear.sensors_.tolist()
    np.testing.assert_allclose(features.scale_, clear.scale_, rtol=0.2)
