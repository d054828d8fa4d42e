"""The ONNX model: loaded, checked against its own golden windows, and called."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from scoring.errors import ModelError, SignatureError
from scoring.model.file import DIGEST_KEY, ModelFile, content_of, lacks
from scoring.model.outputs import RUL_COLUMNS, Outputs
from scoring.model.quiet_stderr import without_schema_errors
from scoring.model.signature import (
    GOLDEN_KEY,
    INPUT_NAME,
    KEPT,
    MIDDLE,
    MODES,
    PROBABILITIES,
    RUL,
    SCORES,
    SURVIVAL,
    VALUES,
    FloatArray,
    Golden,
)

log = logging.getLogger(__name__)

_FLOATS = "tensor(float)"
# onnxruntime repeats shapes and names of what it was given.
_MAX_SAID = 400


class Model:
    """A model that has proved, on this very machine, that it computes what training computed.

    Attributes:
        signature: What the file says of itself.
        version: The first 12 hexadecimal digits of the file's SHA-256.
        golden_difference: The largest difference to training's golden outputs that was seen when it was loaded.
        golden_digest: The first 12 hexadecimal digits of the SHA-256 of the golden outputs as computed here: equal
            where the same file answers with the same bytes.
    """

    def __init__(self, content: bytes, origin: str = "model", *, require_digest: bool = False) -> None:
        """Load a model from the bytes of its file.

        Args:
            content: The file's bytes.
            origin: Its name in errors.
            require_digest: Refuse a file of signature format 1, which has no digest, so that a damaged one could go
                unnoticed; it is served with a warning otherwise.

        Raises:
            ModelError: It is damaged or no ONNX model, carries no servable signature, has other inputs or outputs than
                its signature says, or does not reproduce its golden windows.
        """
        file = ModelFile.read(content, origin)
        self.signature = file.signature(origin)
        if GOLDEN_KEY not in file.metadata:
            raise ModelError(lacks(GOLDEN_KEY, origin))
        try:
            golden = Golden.from_json(file.metadata[GOLDEN_KEY])
        except SignatureError as error:
            raise SignatureError(f"{origin}: {error}") from error
        if not file.is_sealed:
            _without_digest(origin, self.signature.format, require_digest=require_digest)
        self.version = hashlib.sha256(content).hexdigest()[:12]
        self._origin = origin
        self._session = _session(content, origin)
        self._of_classes = SCORES if self.signature.scores else PROBABILITIES
        self._outputs = self._checked_outputs()
        self._knows_kept = self._checked_optional()
        self._attributes = [PROBABILITIES if each == SCORES else each for each in self._outputs]
        self.golden_difference, self.golden_digest = self._check_golden(golden)

    @classmethod
    def load(cls, path: Path, *, require_digest: bool = False) -> Model:
        """Load a model file.

        Args:
            path: Of the file.
            require_digest: As the constructor's.

        Raises:
            ModelError: As the constructor, or the file cannot be read.
        """
        return cls(content_of(path), str(path), require_digest=require_digest)

    def predict(self, windows: FloatArray) -> Outputs:
        """Score windows [engines, W, fields] in one call.

        Args:
            windows: float32 [engines, W, fields], oldest cycle first, NaN where there is no message or no value.
        """
        return self._run({INPUT_NAME: windows}, len(windows))

    def predict_without(self, window: FloatArray, columns: Sequence[int]) -> Outputs:
        """Score a window, and again for each field that is named, as if all of that field's values were missing.

        Args:
            window: float32 [W, fields].
            columns: The fields, each taken out in turn.

        Returns:
            Of 1 + len(columns) answers, the first of the window as it is.
        """
        rows = range(1, len(columns) + 1)
        if self._knows_kept:
            kept = np.ones((len(columns) + 1, window.shape[1]), dtype=np.float32)
            kept[rows, columns] = 0
            return self._run({INPUT_NAME: window[np.newaxis], KEPT: kept}, len(kept))
        windows = np.repeat(window[np.newaxis], len(columns) + 1, axis=0)
        windows[rows, :, columns] = np.nan
        return self.predict(windows)

    def _run(self, fed: dict[str, FloatArray], answers: int) -> Outputs:
        said = self._session.run(self._outputs, fed)
        return Outputs.of(answers, dict(zip(self._attributes, said, strict=True)))

    def _checked_optional(self) -> bool:
        """Whether the graph knows `kept`, once that has the shape that the signature asks for."""
        optional = {each.name: each for each in self._session.get_overridable_initializers()}
        kept = optional.get(KEPT)
        if kept is not None and (kept.shape[1:], kept.type) != ([len(self.signature.fields)], _FLOATS):
            raise ModelError(
                f"{self._origin} takes {KEPT} as {kept.shape} of {kept.type}, its signature says "
                f"[answers, {len(self.signature.fields)}] of {_FLOATS}; export it again"
            )
        return kept is not None

    def _checked_outputs(self) -> list[str]:
        """The names of the outputs to ask for, once the graph has the shape that its signature tells."""
        signature = self.signature
        expected: dict[str, list[int]] = {}
        if signature.classes:
            expected[self._of_classes] = [len(signature.classes)]
        if signature.interval:
            expected[RUL] = [RUL_COLUMNS]
        if signature.curve:
            expected |= {MIDDLE: [1], SURVIVAL: [len(signature.curve.edges)]}
        if signature.modes:
            expected[MODES] = [len(signature.modes)]
        if signature.values:
            expected[VALUES] = [len(signature.values)]
        inputs = {each.name: each.shape[1:] for each in self._session.get_inputs()}
        outputs = {each.name: each.shape[1:] for each in self._session.get_outputs()}
        if inputs != {INPUT_NAME: [signature.window, len(signature.fields)]}:
            raise ModelError(
                f"{self._origin} takes {inputs}, its signature says {INPUT_NAME} "
                f"[engines, {signature.window}, {len(signature.fields)}]; export it again"
            )
        wrong = {name: outputs.get(name) for name, shape in expected.items() if outputs.get(name) != shape}
        if wrong:
            raise ModelError(f"{self._origin} answers {wrong}, its signature says {expected}; export it again")
        for each in (*self._session.get_inputs(), *self._session.get_outputs()):
            if each.type != _FLOATS:
                raise ModelError(f"{self._origin} has {each.name} as {each.type}, expected {_FLOATS}; export it again")
        return list(expected)

    def _check_golden(self, golden: Golden) -> tuple[float, str]:
        """Compare with training's outputs; one wrong kernel on this processor and the model must not score."""
        expected_shape = (self.signature.window, len(self.signature.fields))
        if golden.windows.shape[1:] != expected_shape:
            raise ModelError(f"{self._origin} has golden windows of shape {golden.windows.shape}; export it again")
        try:
            # All at once, and each alone: which branches of its graph a call takes depends on what is asked in it.
            calls = [self.predict(each) for each in (golden.windows, *golden.windows[:, np.newaxis])]
        except Exception as error:
            raise ModelError(
                f"{self._origin} cannot compute its golden windows by onnxruntime {onnxruntime.__version__}: "
                f"{_one_line(error)}; export it again"
            ) from error
        largest, digest = 0.0, hashlib.sha256()
        for name, attribute in zip(self._outputs, self._attributes, strict=True):
            together, *alone = (getattr(each, attribute) for each in calls)
            expected = golden.outputs.get(name)
            if expected is None or expected.shape != together.shape:
                raise ModelError(f"{self._origin} has no golden {name} of shape {together.shape}; export it again")
            if any(each.shape != (1, *expected.shape[1:]) for each in alone):
                raise ModelError(f"{self._origin} answers single windows with {name} of another shape; export it again")
            # Numbers of some hundreds, as RUL's, have fewer digits behind the point in float32.
            scale = max(1.0, float(np.abs(expected).max()))
            difference = float(np.abs(np.stack([together, np.concatenate(alone)]) - expected).max()) / scale
            # Asked this way round, NaN fails too.
            if not difference <= golden.tolerance:
                raise ModelError(
                    f"{self._origin} computes a {name} here that is {difference:.2g} off training's, at most "
                    f"{golden.tolerance:.2g} is allowed; this build of onnxruntime must not score with it"
                )
            largest = max(largest, difference)
            digest.update(together.astype("<f4").tobytes())
        return largest, digest.hexdigest()[:12]


def _without_digest(origin: str, form: int, *, require_digest: bool) -> None:
    """Refuse a file that should have a digest, or warn of one that is older than digests."""
    if form > 1:
        raise ModelError(f"{origin} has lost its {DIGEST_KEY}, it is damaged or was changed; copy or export it again")
    if require_digest:
        raise ModelError(
            f"{origin} has signature format 1, which has no digest, and a digest is required; export it again"
        )
    log.warning("%s has signature format 1: it has no digest that would show damage; export it again", origin)


def _session(content: bytes, origin: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    # One engine's window takes microseconds: threads would cost more than they bring, and spin on a small device.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # An arena keeps the largest batch's memory for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    try:
        with without_schema_errors():
            return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"{origin} cannot be loaded by onnxruntime {onnxruntime.__version__}: {_one_line(error)}"
        ) from error


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MAX_SAID else f"{text[:_MAX_SAID]}..."
