"""Lives drawn for engines that have not failed, so that what is known of them can be learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.windows import FloatArray
from training.estimators.experts import Experts
from training.estimators.grades import Grades
from training.estimators.prognosis import Prognosis

IntArray = NDArray[np.int64]
DoubleArray = NDArray[np.float64]


ROUNDS = 3
"""How often lives are drawn, each time by what was learned from the draws before."""


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


def drawn(experts: Experts, x: FloatArray, rul: IntArray, others: FloatArray, cut: Cut) -> IntArray:
    """The RUL of all rows, with what may be left of engines that have not failed by their curves.

    A model of the engines that failed says how likely each of the others has failed by when; the mean of that would
    make all members alike, and as certain as if it were known. So each member of the model gets a draw of its own. Of
    several ways that were compared (dropping these engines, weights by the chance of being on record, hazards for each
    cycle, expectation and maximisation), this one won most back of what dropping them costs; it is multiple imputation
    (D. B. Rubin, "Multiple Imputation for Nonresponse in Surveys", Wiley, 1987). Where records end on one day, those
    that failed are the short-lived ones: the model that learned from the first draws draws again, as data augmentation
    does (M. A. Tanner, W. H. Wong, "The calculation of posterior distributions by data augmentation", JASA 82, 1987).

    Args:
        experts: The model, not fitted; its estimators for whole windows are cloned.
        x: float32 [rows, features], of engines that failed.
        rul: int64 [rows], their true RUL in cycles.
        others: float32 [other rows, features], of the others.
        cut: Which rows these are.

    Returns:
        int64 [rows and other rows, draws], in cycles.
    """
    model = experts.whole
    draws = max(len(model.graders), len(model.regressors))
    known = np.broadcast_to(rul[:, np.newaxis], (len(rul), draws))
    newest = others[cut.last - cut.rows[0]]
    seen, labels = x, known
    for _ in range(ROUNDS):
        whole = experts.are_whole(seen)
        grader = Prognosis(model.graders, (), model.classes, model.cap, shares=model.shares)
        grader.fit(seen[whole], labels[whole])
        left = draw(grader.grades_, grader.predict_chances(newest), draws)
        seen, labels = np.concatenate([x, others]), np.concatenate([known, cut.rul(left)])
    return labels


def draw(grades: Grades, chances: DoubleArray, draws: int) -> IntArray:
    """Lives by their curves.

    Args:
        grades: What the chances are of.
        chances: float64 [engines, grades].
        draws: How many for each engine.

    Returns:
        int64 [engines, draws], in cycles, at least 1; the same for the same arguments.
    """
    levels = np.random.default_rng(0).uniform(size=(draws, len(chances), 1))
    lives = np.stack([grades.quantile(chances, level) for level in levels], axis=1)
    left: IntArray = np.maximum(1, np.ceil(lives)).astype(np.int64)
    return left
