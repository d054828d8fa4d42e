"""Failure modes: which of several an engine is most likely to fail by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]


class FailureModes(BaseEstimator):  # type: ignore[misc]
    """Neural networks that tell by which mode an engine will fail, if it fails.

    Their labels are a mode together with whether the failure is nearer than half of all, as in competing risks each
    mode has its own time: what tells modes apart near the end is another thing than before. The chance of a mode is the
    sum of its labels'.

    Args:
        networks: scikit-learn classifiers, not fitted; the chances are their mean.
        names: Of the modes.
    """

    def __init__(self, networks: Sequence[Pipeline], names: tuple[str, ...]) -> None:
        self.networks = networks
        self.names = names

    def fit(self, x: FloatArray, modes: NDArray[np.int64], rul: NDArray[np.int64]) -> Self:
        """Fit every network.

        Args:
            x: float32 [rows, features].
            modes: int64 [rows], the mode of each row's engine.
            rul: int64 [rows], true RUL in cycles.
        """
        labels = 2 * modes + (rul > np.median(rul))
        self.networks_ = [clone(each).fit(x, labels) for each in self.networks]
        return self

    def places(self, network: Pipeline) -> FloatArray:
        """Which mode each label of a fitted network is of, float32 [labels, modes]."""
        every = np.eye(len(self.names), dtype=np.float32)
        return np.asarray(every[network.classes_ // 2])

    def predict(self, x: FloatArray) -> DoubleArray:
        """The chance of each mode, float64 [rows, modes].

        Args:
            x: float32 [rows, features].
        """
        chances = [each.predict_proba(x) @ self.places(each) for each in self.networks_]
        return np.asarray(np.mean(chances, axis=0, dtype=np.float64))
