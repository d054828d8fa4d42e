"""Lives drawn for engines that have not failed, so that what is known of them can be learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.windows import FloatArray
from training.estimators.experts import Experts
from training.estimators.prognosis import Prognosis

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """Rows of engines that have not failed.

    Attributes:
        rows: int64 [rows], where their windows stand among all.
        engines: int64 [rows], whose each is, from 0.
        after: int64 [rows], how many cycles of its engine are on record after each.
        last: int64 [engines], where each engine's newest window stands among all.
    """

    rows: IntArray
    engines: IntArray
    after: IntArray
    last: IntArray

    def rul(self, left: IntArray) -> IntArray:
        """The RUL of each row, int64 [rows, draws].

        Args:
            left: int64 [engines, draws], what is left of each engine after its newest row.
        """
        return left[self.engines] + self.after[:, np.newaxis]


def drawn(experts: Experts, x: FloatArray, rul: IntArray, newest: FloatArray) -> IntArray:
    """What may be left of engines that have not failed: from the curve of each, once for each member of a model.

    A model of the engines that failed says how likely each has failed by when; the mean of that would make all members
    alike, and as certain as if it were known. Of several ways that were compared (dropping these engines, weights by
    the chance of being on record, hazards for each cycle, expectation and maximisation), this one won most back of what
    dropping them costs; it is a single step of multiple imputation (D. B. Rubin, "Multiple Imputation for Nonresponse
    in Surveys", Wiley, 1987).

    Args:
        experts: The model, not fitted; its estimators for whole windows are cloned.
        x: float32 [rows, features], of engines that failed.
        rul: int64 [rows], their true RUL in cycles.
        newest: float32 [engines, features], of the others' newest windows.

    Returns:
        int64 [engines, draws], in cycles, at least 1.
    """
    model = experts.whole
    # Classes are coarser, but there may be no others.
    graders = model.graders or model.classifiers
    whole = experts.are_whole(x)
    first = Prognosis((), graders, (), model.classes, model.cap).fit(x[whole], rul[whole])
    draws = max(len(model.classifiers), len(model.graders), len(model.regressors))
    return draw(first.grades_, first.curve(newest), rul, draws)


def draw(edges: NDArray[np.float64], curve: NDArray[np.float64], rul: IntArray, draws: int) -> IntArray:
    """Lives by their curves.

    Args:
        edges: float64 [edges], rising, in cycles.
        curve: float64 [engines, edges], how likely each has failed by then; never falling.
        rul: int64 [rows], of engines that failed; those beyond the last edge say how long lives are that reach it.
        draws: How many for each engine.

    Returns:
        int64 [engines, draws], in cycles, at least 1; the same for the same arguments.
    """
    rng = np.random.default_rng(0)
    chance = rng.uniform(size=(len(curve), draws))
    grade = (curve[:, np.newaxis] < chance[:, :, np.newaxis]).sum(axis=-1)
    beyond = rul[rul > edges[-1]]
    long = rng.choice(beyond if len(beyond) else np.array([np.ceil(edges[-1])]), size=grade.shape)
    # Within a grade, each moment is as likely as another.
    times = np.append(0.0, edges)
    reached = np.concatenate([np.zeros((len(curve), 1)), curve, np.ones((len(curve), 1))], axis=1)
    inside = np.minimum(grade, len(edges) - 1)
    engine = np.arange(len(curve))[:, np.newaxis]
    below, above = reached[engine, inside], reached[engine, inside + 1]
    share = (chance - below) / np.maximum(above - below, 1e-12)
    time = times[inside] + np.clip(share, 0.0, 1.0) * (times[inside + 1] - times[inside])
    left: IntArray = np.maximum(1, np.ceil(np.where(grade < len(edges), time, long))).astype(np.int64)
    return left
