"""A file is looked at as bytes before onnxruntime sees any of it: whole, of bounded size, and complete in itself."""

import contextlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from scoring.errors import ModelError
from scoring.model.file import DIGEST_KEY, MAX_ENTRIES, MAX_METADATA_BYTES, ModelFile, sealed
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, MAX_GOLDEN_WINDOWS, SIGNATURE_KEY, Golden
from tests.onnx_models import WINDOW, expected_outputs, signature, tiny_model
from tests.places import ROOT

SHIPPED = ROOT / "models" / "fleet.onnx"
FORMAT_1 = ROOT / "tests/scoring/kept/format-1.onnx"
NESTED = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def unseen(monkeypatch):
    """Whatever is loaded, onnxruntime must not see it."""

    def seen(*_: object, **__: object) -> None:
        raise AssertionError("onnxruntime was given the file")

    monkeypatch.setattr(onnxruntime, "InferenceSession", seen)


def changed(change) -> bytes:
    """The tiny model with something about it changed, and a digest that is right for that."""
    model = onnx.load_from_string(tiny_model())
    change(model)
    return sealed(model.SerializeToString())


def with_metadata(key: str, text: str) -> bytes:
    def change(model: onnx.ModelProto) -> None:
        next(each for each in model.metadata_props if each.key == key).value = text

    return changed(change)


def refused(content: bytes, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        Model(content, "some.onnx")
    text = str(caught.value)
    assert text.startswith("some.onnx")
    assert "\n" not in text
    assert len(text) < 1_000


@pytest.mark.whole
@pytest.mark.parametrize("path", [SHIPPED, None], ids=["shipped", "tiny"])
def test_a_file_with_any_bit_flipped_is_refused_before_onnxruntime_sees_it(path, unseen) -> None:
    content = path.read_bytes() if path else tiny_model()
    places = np.linspace(0, len(content) - 1, 500 if path else len(content)).astype(int).tolist()
    for number, place in enumerate(places):
        damaged = bytearray(content)
        damaged[place] ^= 1 << number % 8
        with pytest.raises(ModelError):
            Model(bytes(damaged))


def test_a_file_that_ends_too_soon_or_goes_on_is_refused_before_onnxruntime_sees_it(unseen) -> None:
    content = tiny_model()
    for length in range(len(content)):
        with pytest.raises(ModelError):
            Model(content[:length])
    with pytest.raises(ModelError, match="its SHA-256 is not the one that it carries"):
        Model(content + content[:2])


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused_with_a_model_error(content) -> None:
    with contextlib.suppress(ModelError):
        ModelFile.read(content, "any")


def test_a_file_sealed_again_has_one_digest() -> None:
    content = tiny_model()
    assert sealed(content) == content
    assert content.count(DIGEST_KEY.encode()) == 1


def test_a_file_of_format_1_is_served_with_one_warning_or_refused_where_a_digest_is_required(caplog) -> None:
    model = Model.load(FORMAT_1)
    assert model.signature.format == 1
    (warning,) = caplog.records
    assert "format-1.onnx has signature format 1" in warning.getMessage()
    windows = np.full((2, WINDOW, 25), 30, np.float32)
    np.testing.assert_allclose(model.predict(windows).rul, expected_outputs(windows)["rul"])
    with pytest.raises(ModelError, match="a digest is required"):
        Model.load(FORMAT_1, require_digest=True)
    Model(tiny_model(), require_digest=True)


def test_a_file_of_format_2_without_its_digest_is_refused(unseen) -> None:
    model = onnx.load_from_string(tiny_model())
    del model.metadata_props[-1]
    refused(model.SerializeToString(), "has lost its turbofan.digest")


def test_metadata_are_bounded(unseen) -> None:
    def more(count: int, size: int):
        def change(model: onnx.ModelProto) -> None:
            for number in range(count):
                model.metadata_props.add(key=f"k{number}", value="x" * size)

        return change

    def twice(model: onnx.ModelProto) -> None:
        model.metadata_props.add(key=SIGNATURE_KEY, value="{}")

    def long_key(model: onnx.ModelProto) -> None:
        model.metadata_props.add(key="k" * 10_000, value="")

    # What is too much is not even sealed.
    for change in (more(MAX_ENTRIES, 1), more(1, MAX_METADATA_BYTES), long_key):
        model = onnx.load_from_string(tiny_model())
        change(model)
        refused(model.SerializeToString(), "its metadata have")
    refused(changed(twice), "the same key twice")


def test_a_file_of_which_parts_lie_elsewhere_is_refused_with_the_remedy(tmp_path) -> None:
    model = onnx.load_from_string(tiny_model())
    model.graph.initializer.append(numpy_helper.from_array(np.ones(1000, np.float32), "large"))
    path = tmp_path / "outside.onnx"
    onnx.save_model(model, path, save_as_external_data=True, size_threshold=100)
    refused(sealed(path.read_bytes()), "external data.*save it as one file")


def test_operators_that_are_not_onnxs_are_refused_by_their_domain() -> None:
    def foreign(model: onnx.ModelProto) -> None:
        model.opset_import.append(helper.make_opsetid("com.example", 1))
        model.graph.node.append(helper.make_node("Guess", ["rul"], ["guess"], domain="com.example"))

    refused(changed(foreign), "operators of 'com.example'.*without custom operators")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NESTED, "nested too deeply"),
        (json.dumps({"format": 2, "figures": json.loads("[" * 30 + "]" * 30)}), "nested more than 16 deep"),
        (signature().to_json().replace('"window":5', '"window":1' + "0" * 400), "is too large a number"),
        (signature().to_json().replace('"window":5', '"window":1' + "0" * 9_000), "not JSON"),
        (signature().to_json().replace('"rul_cap":125.0', '"rul_cap":1e400'), "'1e400' is no number"),
        (signature().to_json().replace('"rul_cap":125.0', '"rul_cap":NaN'), "'NaN' is no number"),
        (signature(figures={"x": "y" * 1_000_000}).to_json(), "at most 1000000 are read"),
        (signature(classes=tuple(map(str, range(2_000))), edges=(), alert={}).to_json(), "at most 1000 can be served"),
        (json.dumps({"format": "x" * 100_000}), "signature has format 'xxx"),
    ],
    ids=["nested", "depth", "large", "larger", "infinite", "NaN", "long", "classes", "format"],
)
def test_a_signature_beyond_all_bounds_is_refused_in_one_line(text, said, unseen) -> None:
    refused(with_metadata(SIGNATURE_KEY, text), said)


def golden_text(count: int, **changes: object) -> str:
    windows = np.zeros((count, WINDOW, 25), np.float32)
    return json.dumps({**json.loads(Golden(windows, expected_outputs(windows)).to_json()), **changes})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (golden_text(134_000), "134000, 5, 25.*is not read"),
        (golden_text(MAX_GOLDEN_WINDOWS + 1), "1 to 256 windows are run"),
        (golden_text(0), "1 to 256 windows are run"),
        (golden_text(2, tolerance="Infinity").replace('"Infinity"', "Infinity"), "'Infinity' is no number"),
        (golden_text(2, windows={"shape": [10**15, 10**15], "zlib": "eJwDAAAAAAE="}), "is not read"),
        (golden_text(2, windows={"shape": [-1, 5, 25], "zlib": "eJwDAAAAAAE="}), "is not read"),
        (golden_text(2, windows={"shape": 7, "zlib": "eJwDAAAAAAE="}), "golden windows cannot be read"),
        (golden_text(2, windows=NESTED), "golden windows"),
        (NESTED, "nested too deeply"),
    ],
)
def test_golden_windows_beyond_all_bounds_are_refused_in_one_line(text, said, unseen) -> None:
    refused(with_metadata(GOLDEN_KEY, text), said)


def test_what_unpacks_to_more_than_its_shape_is_not_unpacked(unseen) -> None:
    text = golden_text(2)
    raw = json.loads(text)
    raw["windows"]["zlib"] = json.loads(golden_text(20_000))["windows"]["zlib"]
    refused(with_metadata(GOLDEN_KEY, json.dumps(raw)), "golden windows cannot be read")


def test_no_file_allows_a_device_more_than_the_device_does() -> None:
    windows = np.zeros((1, WINDOW, 25), np.float32)
    outputs = expected_outputs(windows)
    outputs["probabilities"] += np.float32(0.002)
    refused(tiny_model(golden=Golden(windows, outputs, tolerance=0.5)), r"at most 0\.001 is allowed")


def test_an_error_of_onnxruntime_in_the_golden_run_is_told_in_one_line() -> None:
    def crooked(model: onnx.ModelProto) -> None:
        node = next(each for each in model.graph.node if each.op_type == "Gather")
        node.input[1] = "beyond"
        model.graph.initializer.append(numpy_helper.from_array(np.array(WINDOW + 7, np.int64), "beyond"))

    refused(changed(crooked), "cannot compute its golden windows by onnxruntime|cannot be loaded by onnxruntime")

    def huge(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array([2**40, 4], np.int64), "huge"))
        node = next(each for each in model.graph.node if each.output[0] == "probabilities")
        node.output[0] = "small"
        model.graph.node.append(helper.make_node("Identity", ["telemetry"], ["runs"]))
        model.graph.node.append(helper.make_node("ReduceSum", ["runs"], ["one"], keepdims=0))
        model.graph.node.append(helper.make_node("Mul", ["one", "edge"], ["times"]))
        model.graph.node.append(helper.make_node("Expand", ["times", "huge"], ["probabilities"]))

    refused(changed(huge), "cannot compute its golden windows by onnxruntime|cannot be loaded by onnxruntime")


def test_shapes_that_the_bytes_do_not_fill_are_refused_in_one_line() -> None:
    def hollow(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].dims[:] = [2**40]

    refused(changed(hollow), "cannot be loaded by onnxruntime")


def field(number: int, value: bytes) -> bytes:
    """A field of a protobuf message."""
    size, length = [], len(value)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + value


def test_a_graph_nested_beyond_reason_is_refused_in_one_line() -> None:
    graph = b""
    for _ in range(2_000):
        # GraphProto.node, NodeProto.attribute, AttributeProto.g
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))
    # Fields that come twice are merged.
    refused(sealed(tiny_model() + field(7, graph)), "cannot be loaded by onnxruntime")


def test_a_model_with_other_types_than_float32_is_refused() -> None:
    def whole(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Cast", ["rul"], ["whole"], to=onnx.TensorProto.INT64))
        model.graph.output.append(helper.make_tensor_value_info("whole", onnx.TensorProto.INT64, ["engines", 3]))

    refused(changed(whole), "as tensor\\(int64\\), expected tensor\\(float\\)")


def test_the_digest_of_golden_outputs_tells_files_apart_that_answer_otherwise() -> None:
    first, second = Model(tiny_model()), Model(tiny_model(signature(name="other")))
    assert first.golden_digest == second.golden_digest
    windows = np.full((1, WINDOW, 25), 60, np.float32)
    other = Model(tiny_model(golden=Golden(windows, expected_outputs(windows))))
    assert other.golden_digest != first.golden_digest
