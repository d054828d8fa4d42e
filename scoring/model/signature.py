"""What a model says of itself inside its ONNX file: its signature and its golden windows.

Both travel in the file's `metadata_props`, so that a model is one file and cannot be separated from them.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scoring.errors import SignatureError
from scoring.model.curve import Curve
from scoring.model.derived import Derived, Period, read_derived
from scoring.names import CYCLE

FORMAT = 2
"""Version of the signature's layout. What later work adds is optional in it and lies under the file's digest."""
DERIVED_FORMAT = 3
"""Of a model with derived fields, whose messages a device that knows no such fields would refuse one by one."""
FORMATS = (1, FORMAT, DERIVED_FORMAT)
"""The layouts that a device knows. Files of format 1 have no digest."""

SIGNATURE_KEY = "turbofan.signature"
GOLDEN_KEY = "turbofan.golden"
DRIFT_KEY = "turbofan.drift"

INPUT_NAME = "telemetry"
KEPT = "kept"
"""A second input that may be left out, [answers, fields]: 1 for a field that counts, 0 for one that is as if missing
from the whole window. Of one window it asks for several answers, whose features are computed once."""
PROBABILITIES = "probabilities"
SCORES = "scores"
RUL = "rul"
VALUES = "values"
MODES = "modes"
MIDDLE = "middle"
SURVIVAL = "survival"

T = TypeVar("T")
FloatArray = npt.NDArray[np.float32]

# A window of 50 x 25 values takes 5 kB; a longer or wider one than this is a mistake, or an attack on memory.
MAX_WINDOW = 1_000
MAX_FIELDS = 1_000
# Names, classes and figures of a model take some 10 kB; the limits leave room for models of a thousand fields.
MAX_SIGNATURE_CHARACTERS = 1_000_000
MAX_NAMES = 1_000
MAX_DEPTH = 16
# Golden windows are some dozens, each scored alone as well. One of the widest and longest model just fits.
MAX_GOLDEN_WINDOWS = 256
MAX_GOLDEN_BYTES = 4 * 1024 * 1024
MAX_TOLERANCE = 1e-3
"""What a file allows beyond this, a device does not: a device that is off by as much computes something else."""
# Whole numbers that float64 holds, which is more than any count or code needs.
_LARGEST = 2**53


@dataclass(frozen=True)
class Field:
    """One column of the model's input, by its name in a message, with its unit ("" where it has none)."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class Signature:
    """What a device must know to serve a model.

    Attributes:
        name: The model's name, such as `fd003`.
        fields: The columns of the input `telemetry` [engines, window, fields], in order.
        window: How many cycles of an engine the model sees (W).
        cycle: The field that counts cycles; "" for a model that sees single rows and needs no history.
        classes: Names of the columns of the output `probabilities` or `scores`, from the shortest life on; empty:
            none.
        edges: Upper edge of each class but the last, in cycles (RUL <= edge); empty where classes are not of RUL.
        scores: Classes come with the output `scores`, of which the highest wins, and not with probabilities.
        values: Names of the columns of the output `values`, other numbers than RUL; empty: none.
        rul_cap: Training's cap of RUL, in cycles: a prediction of the cap means "the cap or more".
        interval: The share of true RULs that low..high is made to hold; 0 where there is no output `rul`.
        data: The training data: name, sha256, rows, engines.
        versions: The libraries that made the file.
        figures: What the model reached, by data set and measure.
        curve: What the outputs `survival` and `middle` are of; None: there are none.
        machine: The column of a table, as training's was, that names the engine; "": it is named as in messages.
        modes: Names of the columns of the output `modes`, by which an engine may fail; empty: none.
        derived: By field, how its number is made of what a message holds.
        alert: When to raise an alert, such as {"class": "F25", "threshold": 0.4}; empty: never.
        format: The layout that the file has.
    """

    name: str
    fields: tuple[Field, ...]
    window: int
    cycle: str = CYCLE
    classes: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    rul_cap: float | None = None
    interval: float = 0.0
    scores: bool = False
    values: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    alert: Mapping[str, Any] = field(default_factory=dict)
    machine: str = ""
    curve: Curve | None = None
    modes: tuple[str, ...] = ()
    derived: Mapping[str, Derived] = field(default_factory=dict)
    format: int = FORMAT

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the input's columns, in order."""
        return tuple(each.name for each in self.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """What a message calls what the fields are made of, in order: the fields' names, but for derived ones."""
        names = (self.derived[name].source if name in self.derived else name for name in self.field_names)
        return tuple(dict.fromkeys(names))

    @property
    def form(self) -> str:
        """What the values of a reading mean: the same text where they mean the same."""
        rules = {name: each.raw() for name, each in self.derived.items()}
        return ",".join(self.field_names) + (json.dumps(rules, sort_keys=True) if rules else "")

    @property
    def is_of_rul(self) -> bool:
        """Whether what is predicted is how long an engine has left."""
        return bool(self.edges or self.interval)

    def to_json(self) -> str:
        """The signature as one line of JSON with sorted keys, so that equal signatures are equal bytes."""
        raw = asdict(replace(self, derived={}))
        raw["derived"] = {name: each.raw() for name, each in self.derived.items()}
        # As files of before these were known, so that the same training gives the same bytes.
        for key in ("machine", "curve", "modes", "derived"):
            if not raw[key]:
                del raw[key]
        return json.dumps(raw, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Signature:
        """Read a signature and check that this version can serve it.

        Raises:
            SignatureError: The text is not JSON, or a key is missing, unknown or out of its range.
        """
        raw = _parsed("signature", text, MAX_SIGNATURE_CHARACTERS)
        if not isinstance(raw, dict) or raw.get("format") not in FORMATS:
            found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
            raise SignatureError(
                f"signature has format {_short(found)}, this version serves {' and '.join(map(str, FORMATS))}; "
                "update one of both"
            )
        try:
            signature = cls(
                name=_of(str, raw, "name"),
                fields=tuple(
                    Field(_of(str, each, "name"), _of(str, each, "unit")) for each in _of(list, raw, "fields")
                ),
                window=_of(int, raw, "window"),
                cycle=_of(str, raw, "cycle"),
                classes=tuple(str(each) for each in _of(list, raw, "classes")),
                edges=tuple(float(each) for each in _of(list, raw, "edges")),
                rul_cap=None if raw["rul_cap"] is None else float(raw["rul_cap"]),
                interval=float(raw["interval"]),
                # Files of before these, `machine` and `curve` were known have none of them.
                scores=_of(bool, {"scores": False, **raw}, "scores"),
                values=tuple(str(each) for each in _of(list, {"values": [], **raw}, "values")),
                data=_of(dict, raw, "data"),
                versions=_of(dict, raw, "versions"),
                figures=_of(dict, raw, "figures"),
                alert=_of(dict, raw, "alert"),
                machine=_of(str, {"machine": "", **raw}, "machine"),
                curve=_curve(_of(dict, raw, "curve")) if "curve" in raw else None,
                modes=tuple(str(each) for each in _of(list, {"modes": [], **raw}, "modes")),
                derived={
                    name: read_derived(_of(dict, _of(dict, raw, "derived"), name)) for name in raw.get("derived", {})
                },
                format=_of(int, raw, "format"),
            )
        except KeyError as error:
            raise SignatureError(f"signature lacks {error}; export the model again") from error
        except (TypeError, ValueError, OverflowError) as error:
            raise SignatureError(f"signature holds a wrong value ({error}); export the model again") from error
        signature._check()
        return signature

    def _check(self) -> None:
        names = self.field_names
        if not 1 <= len(names) <= MAX_FIELDS or len(set(names)) != len(names):
            raise SignatureError(
                f"signature has {len(names)} fields; 1 to {MAX_FIELDS} with different names can be served"
            )
        if not 1 <= self.window <= MAX_WINDOW:
            raise SignatureError(f"signature has window {self.window}; 1 to {MAX_WINDOW} can be served")
        if max(len(self.classes), len(self.values), len(self.modes)) > MAX_NAMES:
            raise SignatureError(
                f"signature has {len(self.classes)} classes and {len(self.values)} values; at most {MAX_NAMES} can be "
                "served"
            )
        self._check_roles(names)
        if self.edges and len(self.edges) != len(self.classes) - 1:
            raise SignatureError(
                f"signature has {len(self.classes)} classes and {len(self.edges)} edges; one less is right"
            )
        if self.alert and self.alert.get("class") not in self.classes:
            raise SignatureError(f"signature alerts on class {self.alert.get('class')!r}, which it does not have")
        if len(set(self.values)) != len(self.values):
            raise SignatureError(f"signature names values twice: {', '.join(self.values)}")
        if len(set(self.modes)) != len(self.modes):
            raise SignatureError(f"signature names failure modes twice: {', '.join(self.modes)}")
        if self.curve and not self.interval:
            raise SignatureError("signature has a curve but no RUL; export the model again")
        if not self.classes and not self.interval and not self.values:
            raise SignatureError("signature has neither classes nor RUL nor values; there is nothing to predict")

    def _check_roles(self, names: Sequence[str]) -> None:
        """Check what counts an engine's messages, and what names it."""
        if self.cycle and self.cycle not in names:
            raise SignatureError(f"signature counts cycles by {self.cycle!r}, which is not among its fields")
        if not self.cycle and self.window != 1:
            raise SignatureError(f"signature has window {self.window} but no cycle field to order it by")
        if self.machine in names:
            raise SignatureError(f"signature names engines by {self.machine!r}, which is among its fields")
        unknown = [name for name in self.derived if name not in names]
        if unknown:
            raise SignatureError(f"signature derives {unknown[0]!r}, which is not among its fields")
        periods = [name for name, each in self.derived.items() if isinstance(each, Period) and name != self.cycle]
        if periods:
            raise SignatureError(f"signature counts {periods[0]!r} by time, which is not its cycle {self.cycle!r}")


@dataclass(frozen=True)
class Golden:
    """Windows with the outputs that training computed for them.

    Attributes:
        windows: float32 [windows, W, fields], NaN where there is no message or value.
        outputs: By output name, float32 [windows, columns].
        tolerance: The largest difference that a device may show, relative where an output has numbers beyond 1; a
            device allows no more than `MAX_TOLERANCE`.
    """

    windows: FloatArray
    outputs: Mapping[str, FloatArray]
    tolerance: float = 1e-4

    def to_json(self) -> str:
        """The golden windows as JSON; arrays as zlib-packed little-endian float32 in base64."""
        return json.dumps(
            {
                "tolerance": self.tolerance,
                "windows": _pack(self.windows),
                "outputs": {name: _pack(value) for name, value in sorted(self.outputs.items())},
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Golden:
        """Read golden windows.

        Raises:
            SignatureError: The text is not what `to_json` writes.
        """
        # Base64 of what does not shrink.
        raw = _parsed("golden windows", text, 2 * MAX_GOLDEN_BYTES)
        try:
            golden = cls(
                windows=_unpack(raw["windows"]),
                outputs={str(name): _unpack(value) for name, value in raw["outputs"].items()},
                tolerance=min(float(raw["tolerance"]), MAX_TOLERANCE),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError, zlib.error) as error:
            raise SignatureError(f"golden windows cannot be read ({_short(error)}); export the model again") from error
        if golden.windows.ndim != 3 or not 1 <= len(golden.windows) <= MAX_GOLDEN_WINDOWS:
            raise SignatureError(
                f"golden windows have shape {golden.windows.shape}; 1 to {MAX_GOLDEN_WINDOWS} windows are run"
            )
        return golden


def _parsed(what: str, text: str, most: int) -> Any:  # noqa: ANN401 - whatever JSON holds
    """JSON of at most so many characters, in which every number is one that can be computed with."""
    if len(text) > most:
        raise SignatureError(f"{what}: {len(text)} characters, at most {most} are read; export the model again")
    try:
        found = json.loads(text, parse_constant=_number, parse_float=_number, parse_int=_whole_number)
    except RecursionError as error:
        raise SignatureError(f"{what}: nested too deeply; export the model again") from error
    except ValueError as error:
        raise SignatureError(f"{what}: not JSON ({error}); export the model again") from error
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    if level:
        raise SignatureError(f"{what}: nested more than {MAX_DEPTH} deep; export the model again")
    return found


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{_short(text)} is no number to compute with")
    return number


def _whole_number(text: str) -> int:
    # Python refuses to read thousands of digits by itself.
    number = int(text)
    if abs(number) > _LARGEST:
        raise ValueError(f"{_short(text)} is too large a number")
    return number


def _short(value: object) -> str:
    """A value as an error shows it."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:100]}... ({len(text)} characters)"


def _of(kind: type[T], raw: Mapping[str, Any], key: str) -> T:
    value = raw[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{key} is {_short(value)}, expected {kind.__name__}")
    return value


def _curve(raw: Mapping[str, Any]) -> Curve:
    edges, beyond = (tuple(float(each) for each in _of(list, raw, key)) for key in ("edges", "beyond"))
    return Curve(edges, beyond)


def _pack(array: FloatArray) -> dict[str, Any]:
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    return {"shape": list(array.shape), "zlib": base64.b64encode(zlib.compress(data, 9)).decode("ascii")}


def _unpack(raw: Mapping[str, Any]) -> FloatArray:
    shape = [_of(int, {"shape": each}, "shape") for each in raw["shape"]]
    size = math.prod(shape) * np.dtype(np.float32).itemsize
    if min(shape) < 0 or size > MAX_GOLDEN_BYTES:
        raise ValueError(f"an array of shape {_short(shape)} is not read, {MAX_GOLDEN_BYTES} bytes are the most")
    # One more than there should be, to see whether there are more.
    data = zlib.decompressobj().decompress(base64.b64decode(raw["zlib"], validate=True), size + 1)
    return np.frombuffer(data, dtype="<f4").astype(np.float32).reshape(shape)
