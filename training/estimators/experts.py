"""Two models in one: which of them answers depends on whether messages are missing."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from training.data.labels import Classes
from training.estimators.prognosis import Prognosis

FloatArray = NDArray[np.float32]

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
    """

    def __init__(self, whole: Prognosis, torn: Prognosis, window: int) -> None:
        self.whole = whole
        self.torn = torn
        self.window = window

    @property
    def classes(self) -> Classes:
        """The RUL classes."""
        return self.whole.classes

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
        whole = self.are_whole(x)
        self.whole.fit(x[whole], rul[whole])
        self.torn.fit(x[~whole], rul[~whole])
        return self

    def are_whole(self, x: FloatArray) -> NDArray[np.bool_]:
        """Which rows are of whole windows, bool [rows], by their last two features: cycle and messages seen.

        Args:
            x: float32 [rows, features].
        """
        cycle, messages = x[:, -2], x[:, -1]
        # Whole numbers: the same on every processor.
        return np.asarray(messages * np.float32(10) >= np.minimum(cycle, np.float32(self.window)) * np.float32(WHOLE))

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Probabilities float32 [rows, classes].

        Args:
            x: float32 [rows, features].
        """
        return np.where(self.are_whole(x)[:, np.newaxis], self.whole.predict_proba(x), self.torn.predict_proba(x))

    def predict_median(self, x: FloatArray) -> FloatArray:
        """The median RUL, float32 [rows], in cycles from 0 to the cap.

        Args:
            x: float32 [rows, features].
        """
        return np.where(self.are_whole(x), self.whole.predict_median(x), self.torn.predict_median(x))

    def predict(self, x: FloatArray) -> FloatArray:
        """Low, median and high RUL, float32 [rows, 3], in cycles, never falling; only high goes beyond the cap.

        Args:
            x: float32 [rows, features].
        """
        return np.where(self.are_whole(x)[:, np.newaxis], self.whole.predict(x), self.torn.predict(x))
