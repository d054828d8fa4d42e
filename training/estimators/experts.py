"""Two models in one: which of them answers depends on whether messages are missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from scoring.model.outputs import Outputs
from training.data.labels import Classes
from training.estimators.grades import Grades
from training.estimators.modes import FailureModes
from training.estimators.prognosis import Prognosis

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

WHOLE = 9
"""Tenths of the messages that a whole window holds. In cross-validation the model for torn windows was the worse one
where 3 messages of 50 were missing, and the better one where the newest but one was preceded by a gap of 10."""


class Experts(BaseEstimator):  # type: ignore[misc]
    """One model for whole windows, another for torn ones, from which messages are missing.

    A window is whole if it holds nearly as many messages as the engine has flown cycles, or as fit into it: an engine
    that is watched from its first cycle on has whole windows at any age. A model that has seen whole windows only fails
    at short histories; one that learned from a few torn windows as well was far behind one that saw nothing else there
    (docs/model.md has figures). Two models with a gate that is known beforehand are the simplest mixture of experts
    (R. A. Jacobs, M. I. Jordan, S. J. Nowlan, G. E. Hinton, "Adaptive mixtures of local experts", Neural Computation
    3(1), 1991).

    Args:
        whole: Answers for whole windows. As a Pipeline fits its steps, `fit` fits it itself, not a copy.
        torn: Answers for torn ones.
        window: How many messages a window can hold (W).
        modes: Tells the failure modes, once it is fitted; None: nothing does.
    """

    def __init__(self, whole: Prognosis, torn: Prognosis, window: int, modes: FailureModes | None = None) -> None:
        self.whole = whole
        self.torn = torn
        self.window = window
        self.modes = modes

    @property
    def classes(self) -> Classes:
        """The RUL classes."""
        return self.whole.classes

    @property
    def grades_(self) -> Grades:
        """The grades, once it is fitted; those of both are the same."""
        return self.whole.grades_

    @property
    def cap(self) -> float:
        """Where RUL is cut, in cycles."""
        return self.whole.cap

    def fit(self, x: FloatArray, rul: NDArray[np.int64]) -> Self:
        """Fit each on its kind of windows.

        Args:
            x: float32 [rows, features], as `WindowFeatures` makes them, of windows of both kinds.
            rul: int64 [rows], true RUL in cycles, not cut; or [rows, draws], of which members learn one each, in turn.
        """
        whole, grades = self.are_whole(x), self.whole.grades_of(rul)
        self.whole.fit(x[whole], rul[whole], grades)
        self.torn.fit(x[~whole], rul[~whole], grades)
        return self

    def are_whole(self, x: FloatArray) -> NDArray[np.bool_]:
        """Which rows are of whole windows, bool [rows], by their last two features: messages seen and cycle.

        Args:
            x: float32 [rows, features].
        """
        messages, cycle = x[:, -2], x[:, -1]
        # Whole numbers: the same on every processor.
        return np.asarray(messages * np.float32(10) >= np.minimum(cycle, np.float32(self.window)) * np.float32(WHOLE))

    def answers(self, x: FloatArray) -> tuple[DoubleArray, DoubleArray]:
        """What the estimators say, not calibrated: chances float64 [rows, grades], medians float64 [rows], in cycles.

        Args:
            x: float32 [rows, features].
        """
        whole = self.are_whole(x)
        (chances, median), (others, other) = self.whole.answers(x), self.torn.answers(x)
        return np.where(whole[:, np.newaxis], chances, others), np.where(whole, median, other)

    def predict(self, x: FloatArray) -> Outputs:
        """All that is said of rows, as the model's graph says it.

        Args:
            x: float32 [rows, features].
        """
        whole = self.are_whole(x)[:, np.newaxis]
        said = Outputs(
            *(
                np.where(whole, *both)
                for both in zip(self.whole.predict(x).each(), self.torn.predict(x).each(), strict=True)
            )
        )
        return said if self.modes is None else replace(said, modes=self.modes.predict(x).astype(np.float32))
