"""Windows from which messages are missing, for a model to learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.data.windows import FloatArray
from training.estimators.experts import WHOLE

_LONGEST_GAP = 20
_NEAR_SHARE = 0.5
_MAX_LOST = 0.6
_MAX_HOLES = 0.2


def torn_copies(x: FloatArray, cycle: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Copies of all windows, each without so many of its messages that it is whole no longer.

    A third have forgotten what was before their last messages, as a device that starts to watch an engine in mid-life;
    half have a gap, of which half end with the message before the newest, as where a connection is back; a sixth have
    lost messages here and there. A quarter of each have a silent field and scattered holes as well. The newest message
    always stays.

    Args:
        x: float32 [rows, W, fields], raw windows.
        cycle: Column of the cycle.

    Returns:
        Which rows were copied, those of more than one message, int64 [copies], and the copies, float32
        [copies, W, fields].
    """
    rng = np.random.default_rng(0)
    seen = (~np.isnan(x[:, :, cycle])).sum(axis=1)
    # Of a single message nothing can be missing.
    rows = np.flatnonzero(seen > 1)
    copies = x[rows]
    for copy, messages in zip(copies, seen[rows], strict=True):
        _tear(copy[-messages:], rng)
        if rng.random() < 0.25:
            _wear(copy, cycle, rng)
    return rows, copies


def _tear(messages: FloatArray, rng: np.random.Generator) -> None:
    """Take away more than the share of an engine's messages [messages, fields] that a whole window may lack."""
    older = len(messages) - 1
    least = len(messages) * (10 - WHOLE) // 10 + 1
    kind = rng.integers(6)
    if kind < 2:
        messages[: rng.integers(least, older + 1)] = np.nan
    elif kind < 5:
        length = rng.integers(least, max(least, min(_LONGEST_GAP, older)) + 1)
        last = older - length
        start = last if rng.random() < _NEAR_SHARE else rng.integers(0, last + 1)
        messages[start : start + length] = np.nan
    else:
        count = rng.integers(least, max(least, int(_MAX_LOST * older)) + 1)
        messages[rng.choice(older, size=count, replace=False)] = np.nan


def _wear(copy: FloatArray, cycle: int, rng: np.random.Generator) -> None:
    """Silence a field, and make holes in the others but the cycle."""
    others = np.delete(np.arange(copy.shape[1]), cycle)
    copy[:, rng.choice(others)] = np.nan
    holes = rng.random(copy.shape) < rng.uniform(0, _MAX_HOLES)
    holes[:, cycle] = False
    copy[holes] = np.nan
