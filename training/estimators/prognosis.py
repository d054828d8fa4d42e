"""The model behind the features: averaged graders and regressors, and what their answers say."""

from __future__ import annotations

from itertools import cycle
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from scoring.model.outputs import Outputs
from training.data.labels import Classes
from training.estimators.calibration import Calibration
from training.estimators.grades import SHARES, Grades, sharpened

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]

CAUTION = 0.06
"""How far the RUL is drawn back where it is neither near 0 nor near the cap. Of engines with the same prediction the
short-lived ones count too little in training, as they have fewer rows; and by NASA's score a late warning costs more
than an early one. In cross-validation this much lowers the score by 4% and leaves the RMSE where it is."""
BY_CURVE = 0.25
"""The share of the graders in the median, by the mean of their curve, cut at the cap: with it three neural regressors
do as well as six."""
MIDDLE = 0.5


class Prognosis(BaseEstimator):  # type: ignore[misc]
    """How likely an engine lasts how long, and the RUL itself, each the mean of several estimators.

    Args:
        graders: scikit-learn classifiers of RUL in grades, finer than the classes: what tells 30 cycles from 60 helps
            to tell 20 from 30. Their averaged chances are the engine's curve; added up, they are the classes'.
        regressors: scikit-learn regressors whose predictions are averaged; with the graders they give the median.
        classes: The RUL classes.
        cap: RUL is cut here in training of the regressors, in cycles: how long a healthy engine will last cannot be
            seen (F. O. Heimes, "Recurrent neural networks for remaining useful life estimation", PHM08, 2008).
        calibration: Learned from engines that the estimators had not seen; None: as the estimators have it.
        shares: Upper edges of the grades, as shares of the cap.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - scikit-learn's parameters are its constructor's
        self,
        graders: tuple[Any, ...],
        regressors: tuple[Any, ...],
        classes: Classes,
        cap: float,
        calibration: Calibration | None = None,
        shares: tuple[float, ...] = SHARES,
    ) -> None:
        self.graders = graders
        self.regressors = regressors
        self.classes = classes
        self.cap = cap
        self.calibration = calibration
        self.shares = shares

    def grades_of(self, rul: NDArray[np.int64]) -> Grades:
        """The grades for engines with these RULs, int64 of any shape."""
        return Grades.of(rul, self.classes, self.cap, self.shares)

    def fit(self, x: FloatArray, rul: NDArray[np.int64], grades: Grades | None = None) -> Self:
        """Fit every estimator.

        Args:
            x: float32 [rows, features].
            rul: int64 [rows], true RUL in cycles, not cut; or [rows, draws], of which members learn one each, in turn.
            grades: The grades; None: those of the rows.
        """
        draws = rul if rul.ndim == 2 else rul[:, np.newaxis]
        self.n_features_in_ = x.shape[1]
        self.grades_ = grades or self.grades_of(rul)
        self.graders_ = [
            clone(each).fit(x, self.grades_.grade(mine)) for each, mine in zip(self.graders, cycle(draws.T))
        ]
        # Estimators learn RUL as a share of the cap: networks start from weights made for such a range.
        self.regressors_ = [
            clone(each).fit(x, np.minimum(mine, self.cap) / self.cap)
            for each, mine in zip(self.regressors, cycle(draws.T))
        ]
        return self

    def predict_chances(self, x: FloatArray) -> DoubleArray:
        """Chances of the grades, float64 [rows, grades], not calibrated; 0 for a grade that training did not see.

        Args:
            x: float32 [rows, features].
        """
        chances = np.zeros((len(x), self.grades_.count))
        for each in self.graders_:
            chances[:, each.classes_] += each.predict_proba(x)
        return chances / len(self.graders_)

    def answers(self, x: FloatArray) -> tuple[DoubleArray, DoubleArray]:
        """What the estimators say, not calibrated.

        Args:
            x: float32 [rows, features].

        Returns:
            Chances as above, and the median RUL, float64 [rows], in cycles from 0 to the cap.
        """
        chances = self.predict_chances(x)
        mean = np.mean([each.predict(x) for each in self.regressors_], axis=0, dtype=np.float64) * self.cap
        mean = (1 - BY_CURVE) * mean + BY_CURVE * (chances @ self.grades_.means_below(self.cap))
        median = np.clip(mean, 0.0, self.cap)
        return chances, np.asarray(median - CAUTION * median * (1 - median / self.cap))

    def predict(self, x: FloatArray) -> Outputs:
        """All that is said of rows, as the model's graph says it.

        Args:
            x: float32 [rows, features].
        """
        return outputs(*self.answers(x), self.grades_, self.classes, self.calibration)


def outputs(
    chances: DoubleArray, median: DoubleArray, grades: Grades, classes: Classes, calibration: Calibration | None
) -> Outputs:
    """What follows from estimators' answers.

    Args:
        chances: float64 [rows, grades], not calibrated.
        median: float64 [rows], in cycles, not above the cap.
        grades: What the chances are of.
        classes: The RUL classes.
        calibration: What makes chances and the interval hold; None: as they are, the interval as wide as the median.
    """
    if calibration is not None:
        chances = sharpened(chances, calibration.power)
    middle = grades.quantile(chances, MIDDLE)
    low, high = (middle, middle) if calibration is None else calibration.intervals.around(grades, chances)
    return Outputs(
        probabilities=(chances @ grades.places(classes)).astype(np.float32),
        rul=np.stack([np.minimum(low, middle), median, np.maximum(high, middle)], axis=1).astype(np.float32),
        values=np.empty((len(chances), 0), dtype=np.float32),
        middle=middle[:, np.newaxis].astype(np.float32),
        survival=(chances @ grades.later).astype(np.float32),
        modes=np.empty((len(chances), 0), dtype=np.float32),
    )
