import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from scoring.errors import ModelError, SignatureError
from scoring.model.file import DIGEST_KEY, sealed
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, SIGNATURE_KEY, Field, Golden, Signature
from tests.onnx_models import WINDOW, expected_outputs, signature, tiny_model


def windows(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 100, (count, WINDOW, 25)).astype(np.float32)


def test_a_model_answers_with_probabilities_and_rul() -> None:
    outputs = Model(tiny_model()).predict(windows())
    expected = expected_outputs(windows())
    np.testing.assert_allclose(outputs.probabilities, expected["probabilities"], atol=1e-6)
    np.testing.assert_allclose(outputs.rul, expected["rul"], atol=1e-4)


def test_equal_files_have_equal_versions_and_others_do_not() -> None:
    assert Model(tiny_model()).version == Model(tiny_model()).version
    assert Model(tiny_model()).version != Model(tiny_model(signature(name="other"))).version


def test_a_model_that_does_not_reproduce_its_golden_windows_is_refused() -> None:
    outputs = expected_outputs(windows())
    outputs["probabilities"][1, 0] += 0.01
    with pytest.raises(ModelError, match=r"probabilities here that is 0\.01 off training's"):
        Model(tiny_model(golden=Golden(windows(), outputs)))


def test_a_golden_output_of_nan_is_refused_too() -> None:
    outputs = expected_outputs(windows())
    outputs["rul"][0, 0] = np.nan
    with pytest.raises(ModelError, match="rul here"):
        Model(tiny_model(golden=Golden(windows(), outputs)))


@pytest.mark.parametrize("key", [SIGNATURE_KEY, GOLDEN_KEY])
def test_a_model_without_metadata_is_refused_by_the_name_of_what_it_lacks(key: str) -> None:
    with pytest.raises(ModelError, match=key):
        Model(tiny_model(leave_out=(key,)))


def test_a_graph_of_another_shape_than_its_signature_says_is_refused() -> None:
    with pytest.raises(ModelError, match=r"takes \{'telemetry': \[5, 30\]\}"):
        Model(tiny_model(width=30))
    with pytest.raises(ModelError, match="answers"):
        Model(tiny_model(signature(classes=("a", "b"), edges=(1.0,), alert={})))


def test_a_second_input_of_another_shape_than_the_signatures_fields_is_refused() -> None:
    def with_kept(width: int) -> bytes:
        model = onnx.load_from_string(tiny_model())
        named = helper.make_tensor_value_info("kept", TensorProto.FLOAT, ["answers", width])
        model.graph.input.append(named)
        model.graph.initializer.append(numpy_helper.from_array(np.ones((1, width), dtype=np.float32), "kept"))
        del model.metadata_props[[each.key for each in model.metadata_props].index(DIGEST_KEY)]
        return sealed(model.SerializeToString())

    Model(with_kept(25))
    with pytest.raises(
        ModelError, match=r"takes kept as \['answers', 26\] of tensor\(float\), its signature says .*25"
    ):
        Model(with_kept(26))


def test_a_model_of_before_the_second_input_answers_without_a_field() -> None:
    window = windows(1)[0]
    said = Model(tiny_model()).predict_without(window, [5, 4])
    as_it_is = expected_outputs(window[np.newaxis])
    np.testing.assert_allclose(said.rul[:2], np.repeat(as_it_is["rul"], 2, axis=0), atol=1e-4)
    assert np.isnan(said.rul[2, 1])
    assert not np.isnan(window).any()


def test_a_model_of_more_bytes_than_a_device_loads_in_its_time_is_refused_unread(monkeypatch) -> None:
    content = tiny_model()
    monkeypatch.setattr("scoring.model.file.MAX_MODEL_BYTES", len(content))
    Model(content)
    monkeypatch.setattr("scoring.model.file.MAX_MODEL_BYTES", len(content) - 1)
    with pytest.raises(ModelError, match=f"model is larger than {len(content) - 1} bytes"):
        Model(content)


def test_of_a_file_that_is_too_large_no_more_is_read_than_shows_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scoring.model.file.MAX_MODEL_BYTES", 100)
    large = tmp_path / "large.onnx"
    large.write_bytes(bytes(10_000))
    with pytest.raises(ModelError, match="is larger than 100 bytes"):
        Model.load(large)


def test_bytes_that_are_no_model_are_refused_with_the_files_name(tmp_path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        Model.load(path)
    with pytest.raises(ModelError, match="cannot be read"):
        Model.load(tmp_path / "absent.onnx")


def test_a_signature_survives_its_way_through_json() -> None:
    assert Signature.from_json(signature().to_json()) == signature()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"window": 0}, "window 0"),
        ({"window": 10**9}, "window 1000000000"),
        ({"cycle": "Odometer"}, "'Odometer'"),
        ({"cycle": ""}, "no cycle field"),
        ({"edges": (25.0,)}, "4 classes and 1 edges"),
        ({"alert": {"class": "Gone"}}, "'Gone'"),
        ({"fields": (Field("a"), Field("a"))}, "different names"),
        ({"classes": (), "edges": (), "alert": {}, "interval": 0.0}, "nothing to predict"),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused_by_what_is_wrong(changes: dict, named: str) -> None:
    with pytest.raises(SignatureError, match=named):
        Signature.from_json(signature(**changes).to_json())


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 99}', signature().to_json().replace('"window":5', '"window":"5"')]
)
def test_a_signature_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SignatureError):
        Signature.from_json(text)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"tolerance": 1, "windows": {"shape": [1], "zlib": "AAAA"}, "outputs": {}}']
)
def test_golden_windows_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(SignatureError, match="golden windows"):
        Golden.from_json(text)
