"""Small ONNX models made by hand, for tests that need a model but no training."""

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from scoring.model.file import sealed
from scoring.model.signature import GOLDEN_KEY, SIGNATURE_KEY, Golden, Signature
from scoring.names import CYCLE
from scoring.telemetry.turbofan import FIELDS

WINDOW = 5


def signature(**changes) -> Signature:
    given = {
        "name": "tiny",
        "fields": FIELDS,
        "window": WINDOW,
        "cycle": CYCLE,
        "classes": ("F25", "F75", "F150", "Full"),
        "edges": (25.0, 75.0, 150.0),
        "rul_cap": 125.0,
        "interval": 0.8,
        "alert": {"class": "F25", "threshold": 0.5},
    }
    return Signature(**{**given, **changes})


def expected_outputs(windows: np.ndarray) -> dict[str, np.ndarray]:
    """What the tiny model computes: the last Sensor1 is the median RUL; below 25, F25 has probability 0.75."""
    median = windows[:, -1, 4:5]
    near = (median < 25).astype(np.float32)
    probabilities = np.concatenate([0.05 + 0.7 * near, *[0.3 - 0.2 * near] * 2, 0.35 - 0.3 * near], axis=1)
    return {
        "probabilities": probabilities.astype(np.float32),
        "rul": np.concatenate([median - 10, median, median + 10], axis=1).astype(np.float32),
        "middle": (2 * median).astype(np.float32),
        "survival": np.repeat([[0.75, 0.5]], len(windows), axis=0).astype(np.float32),
    }


def tiny_model(
    described: Signature | None = None,
    *,
    golden: Golden | None = None,
    leave_out: tuple[str, ...] = (),
    width: int = len(FIELDS),
) -> bytes:
    """A servable model, or one that lacks or belies what its metadata says; with a curve, if that has two edges."""
    described = described or signature()
    told = ["probabilities", "rul", *(["middle", "survival"] if described.curve else [])]
    columns = {"probabilities": 4, "rul": 3, "middle": 1, "survival": 2}
    constant = [
        numpy_helper.from_array(np.array(value, dtype=dtype), name)
        for name, value, dtype in [
            ("last", WINDOW - 1, np.int64),
            ("sensor", [4], np.int64),
            ("edge", 25.0, np.float32),
            ("slope", [[0.7, -0.2, -0.2, -0.3]], np.float32),
            ("base", [[0.05, 0.3, 0.3, 0.35]], np.float32),
            ("spread", [[-10.0, 0.0, 10.0]], np.float32),
            *([("twice", 2.0, np.float32), ("lasts", [[0.75, 0.5]], np.float32)] if described.curve else []),
        ]
    ]
    nodes = [
        helper.make_node("Gather", ["telemetry", "last"], ["row"], axis=1),
        helper.make_node("Gather", ["row", "sensor"], ["median"], axis=1),
        helper.make_node("Less", ["median", "edge"], ["is_near"]),
        helper.make_node("Cast", ["is_near"], ["near"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["near", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "base"], ["probabilities"]),
        helper.make_node("Add", ["median", "spread"], ["rul"]),
        *(
            [
                helper.make_node("Mul", ["median", "twice"], ["middle"]),
                helper.make_node("Sub", ["median", "median"], ["zero"]),
                helper.make_node("Add", ["zero", "lasts"], ["survival"]),
            ]
            if described.curve
            else []
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("telemetry", TensorProto.FLOAT, ["engines", WINDOW, width])],
        [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["engines", columns[each]]) for each in told],
        constant,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    windows = np.linspace(0, 100, 3 * WINDOW * width, dtype=np.float32).reshape(3, WINDOW, width)
    expected = expected_outputs(windows)
    golden = golden or Golden(windows, {each: expected[each] for each in told})
    metadata = {SIGNATURE_KEY: described.to_json(), GOLDEN_KEY: golden.to_json()}
    for key, value in metadata.items():
        if key not in leave_out:
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    return sealed(model.SerializeToString())


def record(cycle: int, rul: float = 100.0, **changes) -> dict:
    """A telemetry record as it is sent; the tiny model predicts `rul` for it."""
    values = {field.name: 1.0 for field in FIELDS}
    return {**values, "CycleTime": cycle, "Sensor1": rul, **changes}


def body(*args, **kwargs) -> bytes:
    return json.dumps(record(*args, **kwargs)).encode()
