"""A curve says for any moment how likely an engine lasts longer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import SignatureError
from scoring.model.curve import Curve
from scoring.model.model import Model
from scoring.model.signature import Signature
from tests.onnx_models import signature, tiny_model

CURVE = Curve((10.0, 30.0), (40.0, 60.0))
SURVIVAL = np.array([[0.75, 0.5], [1.0, 1.0], [0.0, 0.0]], dtype=np.float32)


def test_between_two_edges_each_moment_is_as_likely_as_another_and_beyond_the_last_each_part() -> None:
    asked = [0, 5, 10, 20, 30, 35, 40, 50, 60, 1000]
    assert CURVE.lasts(SURVIVAL[:1], asked)[0].tolist() == pytest.approx(
        [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0]
    )
    assert CURVE.lasts(SURVIVAL[1:], [10, 30, 40, 60]).tolist() == [[1, 1, 0.5, 0], [0, 0, 0, 0]]


@given(st.lists(st.floats(0, 200), min_size=1, max_size=20).map(sorted))
def test_the_later_the_less_likely(moments) -> None:
    assert (np.diff(CURVE.lasts(SURVIVAL, moments), axis=1) <= 1e-6).all()


def test_parts_beyond_the_last_edge_may_end_at_once() -> None:
    assert Curve((10.0,), (20.0, 20.0)).lasts(np.array([[0.5]], "f4"), [10, 15, 20]).tolist() == [[0.5, 0.375, 0.0]]


@pytest.mark.parametrize(
    ("edges", "beyond", "told"),
    [
        ((), (1.0,), "0 edges"),
        ((1.0,), (), "0 moments beyond"),
        ((3.0, 2.0), (4.0,), "do not rise"),
        ((0.0, 2.0), (4.0,), "do not rise"),
        ((1.0, 2.0), (1.5,), "fall"),
        (tuple(map(float, range(1, 300))), (400.0,), "256"),
    ],
)
def test_a_file_with_a_curve_that_is_none_is_refused(edges, beyond, told) -> None:
    good = signature(curve=Curve((1.0,), (2.0,))).to_json()
    bad = good.replace('{"beyond":[2.0],"edges":[1.0]}', f'{{"beyond":{list(beyond)},"edges":{list(edges)}}}')
    assert bad != good
    with pytest.raises(SignatureError, match=told):
        Signature.from_json(bad)


def test_a_curve_without_rul_is_refused() -> None:
    with pytest.raises(SignatureError, match="a curve but no RUL"):
        Signature.from_json(signature(curve=CURVE, interval=0.0).to_json())


def test_a_signature_without_a_curve_is_written_as_before() -> None:
    assert "curve" not in signature().to_json()
    told = signature(curve=CURVE)
    assert Signature.from_json(told.to_json()) == told


def test_a_model_with_a_curve_says_the_middle_and_the_chance_to_last() -> None:
    model = Model(tiny_model(signature(curve=CURVE)))
    windows = np.full((2, 5, 25), 20.0, dtype=np.float32)
    said = model.predict(windows)
    assert said.middle.tolist() == [[40.0], [40.0]]
    assert said.survival.tolist() == [[0.75, 0.5]] * 2


def test_a_graph_that_lacks_what_its_signature_says_is_refused() -> None:
    with pytest.raises(Exception, match="survival"):
        Model(tiny_model(signature(curve=Curve((1.0, 2.0, 3.0), (4.0,)))))
