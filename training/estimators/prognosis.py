"""The model behind the features: averaged classifiers and regressors, and intervals around the RUL."""

from __future__ import annotations

from itertools import cycle
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from training.data.labels import Classes
from training.estimators.calibration import Calibration, sharpened

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]


GRADES = np.array([0.064, 0.128, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.6])
"""Upper edges of the finer grades, as shares of the cap; the classes' own edges come in between."""
CAUTION = 0.06
"""How far the RUL is drawn back where it is neither near 0 nor near the cap. Of engines with the same prediction the
short-lived ones count too little in training, as they have fewer rows; and by NASA's score a late warning costs more
than an early one. In cross-validation this much lowers the score by 4% and leaves the RMSE where it is."""


class Prognosis(BaseEstimator):  # type: ignore[misc]
    """Probabilities of the RUL classes and the RUL itself, each the mean of several estimators.

    Args:
        classifiers: scikit-learn classifiers of the RUL classes.
        graders: scikit-learn classifiers of RUL in finer grades, whose probabilities are added up to those of the
            classes: what tells 30 cycles from 60 helps to tell 20 from 30. All probabilities are averaged.
        regressors: scikit-learn regressors whose predictions are averaged.
        classes: The RUL classes.
        cap: RUL is cut here in training, in cycles: how long a healthy engine will last cannot be seen
            (F. O. Heimes, "Recurrent neural networks for remaining useful life estimation", PHM08, 2008).
        calibration: Learned from engines that the estimators had not seen; None: probabilities as they come, and low
            and high equal to the median.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - scikit-learn's parameters are its constructor's
        self,
        classifiers: tuple[Any, ...],
        graders: tuple[Any, ...],
        regressors: tuple[Any, ...],
        classes: Classes,
        cap: float,
        calibration: Calibration | None = None,
    ) -> None:
        self.classifiers = classifiers
        self.graders = graders
        self.regressors = regressors
        self.classes = classes
        self.cap = cap
        self.calibration = calibration

    def fit(self, x: FloatArray, rul: NDArray[np.int64]) -> Self:
        """Fit every estimator.

        Args:
            x: float32 [rows, features].
            rul: int64 [rows], true RUL in cycles, not cut; or [rows, draws], of which members learn one each, in turn.
        """
        draws = rul if rul.ndim == 2 else rul[:, np.newaxis]
        self.n_features_in_ = x.shape[1]
        self.grades_ = grades = np.unique(np.concatenate([self.cap * GRADES, self.classes.edges]))
        self.classifiers_ = [
            clone(each).fit(x, self.classes.of(mine)) for each, mine in zip(self.classifiers, cycle(draws.T))
        ]
        self.graders_ = [
            clone(each).fit(x, np.searchsorted(grades, mine)) for each, mine in zip(self.graders, cycle(draws.T))
        ]
        # A grade's class is that of its upper edge; beyond the last edge it is the last class.
        class_of_grade = self.classes.of(np.append(grades, np.inf))
        self.places_ = [self._places(each.classes_) for each in self.classifiers_]
        self.places_ += [self._places(class_of_grade[each.classes_]) for each in self.graders_]
        # Estimators learn RUL as a share of the cap: networks start from weights made for such a range.
        self.regressors_ = [
            clone(each).fit(x, np.minimum(mine, self.cap) / self.cap)
            for each, mine in zip(self.regressors, cycle(draws.T))
        ]
        return self

    def curve(self, x: FloatArray) -> DoubleArray:
        """How likely an engine has failed by each grade's edge, float64 [rows, edges], by the graders; never falling.

        Args:
            x: float32 [rows, features].
        """
        likely = np.zeros((len(x), len(self.grades_) + 1))
        for each in self.graders_:
            likely[:, each.classes_] += each.predict_proba(x)
        return np.asarray(np.cumsum(likely, axis=1)[:, :-1] / len(self.graders_))

    def _places(self, classes: NDArray[np.int64]) -> FloatArray:
        """A row for each label that an estimator knows, with a 1 in the column of its class."""
        return np.eye(len(self.classes.names), dtype=np.float32)[classes]

    def predict_proba(self, x: FloatArray) -> FloatArray:
        """Probabilities float32 [rows, classes], calibrated; next to 0 for a class that training did not see.

        Args:
            x: float32 [rows, features].
        """
        estimators = (*self.classifiers_, *self.graders_)
        parts = [each.predict_proba(x) @ places for each, places in zip(estimators, self.places_, strict=True)]
        out = np.asarray(np.mean(parts, axis=0), dtype=np.float32)
        return out if self.calibration is None else sharpened(out, self.calibration.power)

    def predict_median(self, x: FloatArray) -> FloatArray:
        """The median RUL, float32 [rows], in cycles from 0 to the cap.

        Args:
            x: float32 [rows, features].
        """
        mean = np.mean([each.predict(x) for each in self.regressors_], axis=0)
        median = np.clip(mean * self.cap, 0.0, self.cap)
        return np.asarray(median - CAUTION * median * (1 - median / self.cap), dtype=np.float32)

    def predict(self, x: FloatArray) -> FloatArray:
        """Low, median and high RUL, float32 [rows, 3], in cycles, never falling; only high goes beyond the cap.

        Args:
            x: float32 [rows, features].
        """
        median = self.predict_median(x)
        if self.calibration is None:
            return np.stack([median] * 3, axis=1)
        low, high = self.calibration.intervals.around(median)
        return np.stack([low, median, high], axis=1)
