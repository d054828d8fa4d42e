"""`WindowFeatures.transform` as nodes, operation by operation."""

from __future__ import annotations

import numpy as np
import onnx

from training.estimators.features import LIMIT, FloatArray, WindowFeatures
from training.estimators.regimes import HIGHEST, LARGEST, LOWEST, UNCLEAR
from training.graph.nodes import Nodes, floats, whole_numbers

_OVER_CYCLES = whole_numbers([1])
_OVER_WINDOW = whole_numbers([1, 2])
_OVER_REGIMES = whole_numbers([1])
_OVER_SETTINGS = whole_numbers([0])


class FeaturesGraph:
    """Adds the nodes that make features of raw windows.

    Filling what is absent or impossible takes longer than all the rest, so it is done for those windows alone that
    need it. The fields that are no sensors are carried along, with a scale of 0, because to pick columns takes longer
    than to compute them.
    """

    def __init__(self, features: WindowFeatures, fields: int) -> None:
        """Prepare to add.

        Args:
            features: Fitted.
            fields: Columns of a window.
        """
        self._features = features
        self._fields = fields
        self._limit = self._of_all_messages(self._of_all_fields(features.limit_[np.newaxis], LARGEST))

    def add(self, nodes: Nodes, windows: str, kept: str = "") -> str:
        """Add the nodes.

        Args:
            nodes: The graph.
            windows: The name of the raw windows, [engines, W, fields].
            kept: The name of 1 for a field that counts, and 0 for one that is as if missing from the whole window,
                [answers, fields]; "": all count.

        Returns:
            The name of the features, as `WindowFeatures` has them, [engines, features]; where `kept` has several rows,
            those of one window for each, [answers, features].
        """
        features = self._features
        counted = self._by_window(nodes, nodes.columns(windows, whole_numbers([features.cycle])))
        age = self._age(nodes, counted) if features.counts_age else ""
        present = _number(nodes, nodes("Not", nodes("IsNaN", counted)))
        messages = nodes("MatMul", present, nodes.constant("counted", features.counted))
        cycle = age or self._span(nodes, present)
        deviation = self._deviation(nodes, windows, self._nearest(nodes, self._settings(nodes, windows)))
        # A sum is NaN if one of its terms is, and infinite if one of them is.
        total = nodes("Abs", nodes("ReduceSum", windows, _OVER_WINDOW, keepdims=0))
        beyond = nodes(
            "ReduceMax",
            nodes("Sub", nodes("Abs", deviation), nodes.constant("limit", self._limit)),
            _OVER_WINDOW,
            keepdims=0,
        )
        whole = nodes(
            "And",
            nodes("LessOrEqual", total, nodes.constant("largest sum", floats(LARGEST))),
            nodes("LessOrEqual", beyond, floats(0)),
        )
        all_whole = nodes("ReduceMin", _number(nodes, whole), keepdims=0)
        (steps,) = nodes.either(
            nodes("Greater", all_whole, floats(0)),
            lambda asked: [_steps(asked, deviation)],
            lambda asked: [self._mended(asked, windows, whole, _steps(asked, deviation))],
        )
        # Divided by powers of two: exact.
        bank = nodes.constant("filters", floats(features.bank_ / features.divisor_).T)
        filtered = nodes("MatMul", bank, steps)
        by_sensor = nodes("Gather", nodes("Transpose", filtered, perm=[0, 2, 1]), features.sensors_, axis=1)
        flat = whole_numbers([0, len(features.sensors_) * features.bank_.shape[1]])
        every = nodes("Concat", nodes("Reshape", by_sensor, flat), messages, cycle, axis=1)
        return nodes("Mul", every, self._counting(nodes, kept)) if kept else every

    def _counting(self, nodes: Nodes, kept: str) -> str:
        """1 for each feature of a field that is kept, else 0: what a sensor that is missing everywhere comes to."""
        features = self._features
        filters = features.bank_.shape[1]
        of = np.zeros((self._fields, features.n_features_out_), dtype=np.float32)
        for place, sensor in enumerate(features.sensors_.tolist()):
            of[sensor, place * filters : (place + 1) * filters] = 1
        of[features.cycle, len(features.sensors_) * filters :] = 1
        return nodes("MatMul", kept, nodes.constant("features of fields", of))

    def _age(self, nodes: Nodes, counted: str) -> str:
        features = self._features
        cycle = nodes("Gather", counted, whole_numbers([features.window_ - 1]), axis=1)
        cycle = nodes("Where", nodes("IsNaN", cycle), nodes.constant("cycle where it is absent", floats([1])), cycle)
        oldest = nodes.constant("oldest", floats(features.oldest_))
        return nodes("Round", nodes("Clip", cycle, nodes.constant("youngest", floats(1)), oldest))

    def _span(self, nodes: Nodes, present: str) -> str:
        ages = nodes.constant("cycles to the newest", self._features.spans[np.newaxis])
        return nodes("ReduceMax", nodes("Mul", present, ages), _OVER_CYCLES)

    def _of_all_fields(self, values: FloatArray, otherwise: float) -> FloatArray:
        """Of values [..., sensors] those of all fields."""
        wide = np.full((*values.shape[:-1], self._fields), otherwise, dtype=np.float32)
        wide[..., self._features.sensors_] = values
        return wide

    def _of_all_messages(self, values: FloatArray) -> FloatArray:
        """The same values [1, fields] for each message, [W, fields]: to repeat them is slow in a graph."""
        return np.repeat(values, self._features.window_, axis=0)

    def _deviation(self, nodes: Nodes, windows: str, regime: str) -> str:
        """How far sensors are off the mean of their message's regime, in steps, [engines, W, fields]."""
        features = self._features
        tables = [self._of_all_fields(each, 0.0) for each in (features.mean_, features.scale_)]
        if not regime:
            tables = [self._of_all_messages(each) for each in tables]
        mean, scale = (nodes.constant(name, each) for name, each in zip(("means", "scales"), tables, strict=True))
        if regime:
            mean, scale = (nodes("Gather", each, regime) for each in (mean, scale))
        return nodes("Mul", nodes("Sub", windows, mean), scale)

    def _settings(self, nodes: Nodes, windows: str) -> str:
        """All messages' settings, [settings, engines x W]; nothing if there is but one regime."""
        if self._features.regimes_.count == 1:
            return ""
        columns = nodes.columns(windows, whole_numbers(self._features.settings))
        rows = nodes("Reshape", columns, whole_numbers([-1, len(self._features.settings)]))
        return nodes("Transpose", rows, perm=[1, 0])

    def _nearest(self, nodes: Nodes, settings: str) -> str:
        """The regime of messages whose settings are all there, [engines, W]."""
        if not settings:
            return ""
        centres = self._features.regimes_.centres
        ends = nodes.constant("centres", -2 * centres.T), nodes.constant("centres squared", (centres**2).sum(axis=1))
        distances = nodes("Gemm", self._grid(nodes, settings), *ends, transA=1)
        return self._by_window(nodes, nodes("ArgMin", distances, axis=1))

    def _regime(self, nodes: Nodes, settings: str) -> tuple[str, str]:
        """`Regimes.of`, [engines, W], and `Regimes.unclear`, [engines, W, 1], operation by operation."""
        centres = self._features.regimes_.centres
        missing = nodes("IsNaN", settings)
        present = _number(nodes, nodes("Not", missing))
        grid = nodes("Mul", self._grid(nodes, nodes("Where", missing, floats([0]), settings)), present)
        squares = nodes("Gemm", present, nodes.constant("centres squared", centres.T**2), transA=1)
        distances = nodes("Gemm", grid, nodes.constant("centres", -2 * centres.T), squares, transA=1)
        regime = nodes("ArgMin", distances, axis=1)
        furthest = nodes(
            "Add", nodes("ReduceMin", distances, _OVER_REGIMES), nodes.constant("unclear", floats([UNCLEAR]))
        )
        meant = nodes("ReduceSum", _number(nodes, nodes("LessOrEqual", distances, furthest)), _OVER_REGIMES, keepdims=0)
        torn = nodes("Less", nodes("ReduceMin", present, _OVER_SETTINGS, keepdims=0), floats([1]))
        unclear = nodes("And", torn, nodes("Greater", meant, floats([1])))
        return self._by_window(nodes, regime), nodes("Unsqueeze", self._by_window(nodes, unclear), whole_numbers([2]))

    def _by_window(self, nodes: Nodes, values: str) -> str:
        return nodes("Reshape", values, whole_numbers([-1, self._features.window_]))

    def _grid(self, nodes: Nodes, settings: str) -> str:
        regimes = self._features.regimes_
        settings = _clipped(nodes, settings, "setting", -LARGEST, LARGEST)
        offset = nodes.constant("setting offset", regimes.offset[:, np.newaxis])
        scale = nodes.constant("setting scale", regimes.scale[:, np.newaxis])
        grid = nodes("Mul", nodes("Sub", settings, offset), scale)
        return nodes("Round", _clipped(nodes, grid, "grid", LOWEST, HIGHEST))

    def _mended(self, nodes: Nodes, windows: str, whole: str, steps: str) -> str:
        """Steps, with those of windows that are not whole anew."""
        rows = nodes("Transpose", nodes("NonZero", nodes("Not", whole)), perm=[1, 0])
        return nodes("ScatterND", steps, rows, self._filled(nodes, nodes("GatherND", windows, rows)))

    def _filled(self, nodes: Nodes, windows: str) -> str:
        """Standardised sensors, and in place of absent and impossible ones the mean of those that are near."""
        features = self._features
        missing = nodes("IsNaN", windows)
        raw = nodes("Where", missing, floats([0]), windows)
        regime, settings = "", self._settings(nodes, windows)
        if settings:
            regime, unclear = self._regime(nodes, settings)
            missing = nodes("Or", missing, unclear)
        raw = _clipped(nodes, raw, "value", -LARGEST, LARGEST)
        deviation = self._deviation(nodes, raw, regime)
        missing = nodes("Or", missing, nodes("Greater", nodes("Abs", deviation), nodes.constant("limit", self._limit)))
        present = _number(nodes, nodes("Not", missing))
        steps = nodes("Mul", _steps(nodes, deviation), present)
        seen = nodes("Max", nodes("ReduceSum", present, _OVER_CYCLES), floats([1]))
        usual = nodes("Round", divided(nodes, nodes("ReduceSum", steps, _OVER_CYCLES), seen))
        neighbours = nodes.constant("neighbours", features.near_)
        near = nodes("MatMul", neighbours, present)
        local = divided(nodes, nodes("MatMul", neighbours, steps), nodes("Max", near, floats([1])))
        filled = nodes("Where", nodes("Greater", near, floats([0])), nodes("Round", local), usual)
        return nodes("Where", missing, filled, steps)


def divided(nodes: Nodes, numerator: str, denominator: str) -> str:
    """Divide float32 by way of float64, which rounds to the same as dividing float32 does by IEEE 754.

    ONNX Runtime on 32-bit ARM divides float32 by an estimate of the reciprocal, up to 7e-6 off: enough to round a
    filled value to another step.

    Args:
        nodes: The graph.
        numerator: Name of a float32.
        denominator: Name of a float32 of a shape that fits.
    """
    as_double = (nodes("Cast", each, to=onnx.TensorProto.DOUBLE) for each in (numerator, denominator))
    return nodes("Cast", nodes("Div", *as_double), to=onnx.TensorProto.FLOAT)


def _number(nodes: Nodes, truth: str) -> str:
    """1 for true and 0 for false, which takes a third of the time of `Where`."""
    return nodes("Cast", truth, to=onnx.TensorProto.FLOAT)


def _steps(nodes: Nodes, deviation: str) -> str:
    return nodes("Round", _clipped(nodes, deviation, "deviation", -LIMIT, LIMIT))


def _clipped(nodes: Nodes, value: str, name: str, lowest: float, highest: float) -> str:
    ends = (("least", lowest), ("greatest", highest))
    return nodes("Clip", value, *(nodes.constant(f"{word} {name}", floats(each)) for word, each in ends))
