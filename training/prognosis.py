"""The model behind the features: averaged classifiers and regressors, and intervals around the RUL."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from training.calibration import Calibration, sharpened
from training.labels import CMAPSS_CLASSES, Classes

FloatArray = NDArray[np.float32]


class Prognosis(BaseEstimator):  # type: ignore[misc]
    """Probabilities of the RUL classes and the RUL itself, each the mean of several estimators.

    Args:
        classifiers: scikit-learn classifiers whose probabilities are averaged.
        regressors: scikit-learn regressors whose predictions are averaged.
        classes: The RUL classes.
        cap: RUL is cut here in training, in cycles: how long a healthy engine will last cannot be seen
            (F. O. Heimes, "Recurrent neural networks for remaining useful life estimation", PHM08, 2008).
        calibration: Learned from engines that the estimators had not seen; None: probabilities as they come, and low
            and high equal to the median.
    """

    def __init__(
        self,
        classifiers: tuple[Any, ...],
        regressors: tuple[Any, ...],
        classes: Classes = CMAPSS_CLASSES,
        cap: float = 125.0,
        calibration: Calibration | None = None,
    ) -> None:
        self.classifiers = classifiers
        self.regressors = regressors
        self.classes = classes
        self.cap = cap
        self.calibration = calibration

    def fit(self, x: FloatArray, rul: NDArray[np.int64]) -> Self:
        """Fit every estimator.

        Args:
            x: float32 [rows, features].
            rul: int64 [rows], true RUL in cycles, not cut.
        """
        labels = self.classes.of(rul)
        # Estimators learn RUL as a share of the cap: networks start from weights made for such a range.
        share = np.minimum(rul, self.cap) / self.cap
        self.n_features_in_ = x.shape[1]
        self.labels_ = np.unique(labels)
        self.classifiers_ = [clone(each).fit(x, labels) for each in self.classifiers]
        self.regressors_ = [clone(each).fit(x, share) for each in self.regressors]
        return self

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Probabilities float32 [rows, classes], calibrated; next to 0 for a class that training did not see."""
        out = np.zeros((len(x), len(self.classes.names)), dtype=np.float32)
        out[:, self.labels_] = np.mean([each.predict_proba(x) for each in self.classifiers_], axis=0)
        return out if self.calibration is None else sharpened(out, self.calibration.power)

    def predict_median(self, x: FloatArray) -> FloatArray:
        """The median RUL, float32 [rows], in cycles from 0 to the cap."""
        mean = np.mean([each.predict(x) for each in self.regressors_], axis=0)
        return np.asarray(np.clip(mean * self.cap, 0.0, self.cap), dtype=np.float32)

    def predict(self, x: FloatArray) -> FloatArray:
        """Low, median and high RUL, float32 [rows, 3], in cycles, never falling; only high goes beyond the cap."""
        median = self.predict_median(x)
        if self.calibration is None:
            return np.stack([median] * 3, axis=1)
        low, high = self.calibration.intervals.around(median)
        return np.stack([low, median, high], axis=1)
