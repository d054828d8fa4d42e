"""What golden windows prove of the models that ship: all of them that has an effect."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from scoring.model.model import Model
from tests.training.effects import effects
from tests.training.release.test_fleet import MODELS, NAMES
from training.data.dataset import load_test
from training.export.model_file import GOLDEN_TOLERANCE, export_model
from training.export.proof import prove
from training.export.verify import predict_by_graph
from training.release.fleet import FLEET, SUBSETS

pytestmark = pytest.mark.whole

WITHOUT_EFFECT = {
    "youngest": "cycles are whole numbers from 1 up, and 1.3 is rounded to 1",
    "largest sum": "no window of telemetry adds up to 1e20",
    "least value": "no value comes near -1e20",
    "least setting": "no setting comes near -1e20",
    "greatest setting": "no setting comes near 1e20",
    "least grid": "no setting is that far off those of training",
    "greatest grid": "no setting is that far off those of training",
    "least deviation": "where no sensor may be more than 16 deviations off, none is cut there",
    "greatest deviation": "where no sensor may be more than 16 deviations off, none is cut there",
    "setting offset": "regimes lie so far apart that the nearest stays the nearest",
    "setting scale": "regimes lie so far apart that the nearest stays the nearest",
    "centres": "regimes lie so far apart that the nearest stays the nearest",
    "centres squared": "regimes lie so far apart that the nearest stays the nearest",
    "unclear": "regimes that a missing setting leaves possible are either much nearer than that, or much farther",
    "smallest": "one in a million, beside what the other grades have",
    "tiny": "no part of a curve where a quantile lies is that unlikely",
    "tenths, tenths of a whole window": "what is compared with what is multiplied by the same",
}
"""Constants whose change no device sees, and why nobody else does."""


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("name", NAMES)
def test_a_device_refuses_every_change_that_has_an_effect_on_real_windows(name, cmapss) -> None:
    content = (MODELS / f"{name}.onnx").read_bytes()
    proof = prove(content)
    assert {"windows": proof.windows, "changes": proof.changes, "refused": proof.refused} == Model(
        content
    ).signature.figures["proof"]
    assert {constant.rpartition("/")[2] for constant, _ in proof.served} <= set(WITHOUT_EFFECT)
    sets = SUBSETS if name == FLEET else [name.upper()]
    windows = np.concatenate([load_test(cmapss, each).windows()[:: 10 * len(sets)] for each in sets])
    differences = effects(content, proof.served, windows)
    assert len(differences) == len(proof.served)
    assert {change: each for change, each in differences.items() if each > GOLDEN_TOLERANCE} == {}


def floats_of(graph: onnx.GraphProto):
    """All numbers of a graph and its branches, by the name of what holds them."""
    for tensor in graph.initializer:
        if tensor.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
            yield tensor.name, numpy_helper.to_array(tensor)
    for node in graph.node:
        for attribute in node.attribute:
            yield f"{node.name} {attribute.name}", np.array(attribute.floats, dtype=np.float32)
            yield from floats_of(attribute.g)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_no_constant_of_a_shipped_model_is_a_denormal(path: Path) -> None:
    found = dict(floats_of(onnx.load(path).graph))
    assert len(found) > 50
    for name, values in found.items():
        tiny = np.finfo(values.dtype).tiny
        assert not ((values != 0) & (np.abs(values) < tiny)).any(), name
        # Nor one as float32, should a runtime compute in that.
        assert not ((values != 0) & (np.abs(values) < np.finfo(np.float32).tiny)).any(), name


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_a_graph_speaks_for_itself(path: Path) -> None:
    model = onnx.load(path)
    assert model.producer_name == "turbofan-edge"
    assert model.producer_version
    names = [node.name for node in model.graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    assert {name.partition("/")[0] for name in names} >= {"features", "gate", "whole", "torn"}
    telemetry, kept = model.graph.input
    assert "The last 50 cycles of each engine, oldest first" in telemetry.doc_string
    assert "Sensor2" in telemetry.doc_string
    assert kept.doc_string == "1 for a column that counts, 0 for one that is as if missing from the whole window"
    # Who feeds `telemetry` alone need not know of it.
    assert kept.name in {each.name for each in model.graph.initializer}
    assert [each.doc_string.split(",")[0] for each in model.graph.output] == [
        "Probabilities of the RUL classes F25",
        "Low",
        "The median RUL in cycles",
        "How likely an engine lasts longer than 8",
    ]


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_no_sum_of_leaves_is_rounded_in_float32(path: Path) -> None:
    ensembles = [node for node in onnx.load(path).graph.node if node.op_type == "TreeEnsembleRegressor"]
    assert len(ensembles) == 1
    for node in ensembles:
        held = {each.name: each for each in node.attribute}
        leaves = np.array(held["target_weights"].floats)
        trees, targets = np.array(held["target_treeids"].ints), np.array(held["target_ids"].ints)
        step = 2.0 ** next(-power for power in range(60) if not np.any(leaves * 2.0**power % 1))
        largest = np.zeros(trees.max() + 1)
        np.maximum.at(largest, trees, np.abs(leaves))
        target_of = np.zeros(len(largest), dtype=int)
        target_of[trees] = targets
        # Whatever the order, no partial sum is beyond the sum of each tree's largest leaf.
        assert (np.bincount(target_of, largest) / step).max() <= 2**24


def test_weights_that_have_decayed_to_next_to_nothing_change_no_answer(
    small_fitted, small_training, small_test, monkeypatch
) -> None:
    windows = small_test.windows()
    content = export_model("tiny", small_fitted, small_training, {})
    monkeypatch.setattr("training.graph.networks.DECAYED", 0.0)
    kept = export_model("tiny", small_fitted, small_training, {})
    answers = (predict_by_graph(Model(each), windows).each() for each in (content, kept))
    for found, expected in zip(*answers, strict=True):
        np.testing.assert_array_equal(found, expected)
