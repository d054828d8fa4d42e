"""Window features, the same to the last bit wherever they are computed.

A tree that splits a feature at a threshold takes another branch if rounding moves the feature by one bit, and sums of
floats come out differently in another order, with fused multiply-add, or on another processor. So every sum here is
one of whole numbers below 2**24, which float32 holds exactly: sensors are standardised element by element, rounded to
multiples of 1/256 of a standard deviation, and filtered by integer weights. The sums are divided by powers of two, so
that features stay on a grid of binary fractions: the middle between two of them, where a tree puts its threshold, is a
float32 too, and no rounding of thresholds can move one onto a feature. `training.graph.features` makes the same
computation in ONNX.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from training.estimators.regimes import LARGEST, Regimes
from training.estimators.views import LATELY

FloatArray = NDArray[np.float32]

STEPS = 256
"""Steps to which one standard deviation is rounded."""
LIMIT = 16 * STEPS
"""Standardised values are cut here (16 standard deviations), which bounds the sums of the filter bank. A value that is
farther off, and farther than any of its sensor in training, counts as missing: a stuck sensor shows values of another
regime."""
NEAR = 10
"""A missing value becomes the mean of those at most this many cycles away, or if there are none, of the window's."""
# Rows that are transformed at once: bounds memory and keeps the arrays within the cache.
_BLOCK = 512


class WindowFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Per sensor a bank of linear filters over the window; plus how many messages it holds, and the cycle.

    Sensors are standardised per operating regime first.

    A bank of means and slopes over windows of several lengths follows the features of the PHM08 data challenge's
    tabular entries; standardising per regime follows L. Peel, "Data driven prognostics using a Kalman filter ensemble
    of neural network models", PHM08, 2008.

    Args:
        means: Lengths of the means, in cycles; each ends with the newest cycle.
        slopes: Lengths of the least-squares slopes, in cycles; each ends with the newest cycle.
        cycle: Column of the cycle.
        settings: Columns of the operational settings.
        regimes: Number of operating regimes; None: as many as explain the sensors.
        lately: In how many of the last cycles messages are counted; rising, in cycles.
        counts_age: The cycle tells how old an engine is. Where it tells a date, the cycles from a window's oldest
            message to its newest take its place.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn's way to set an estimator
        self,
        means: tuple[int, ...] = (1, 5, 10, 20, 30, 50),
        slopes: tuple[int, ...] = (15, 30, 50),
        cycle: int = 0,
        settings: tuple[int, ...] = (1, 2, 3),
        regimes: int | None = None,
        *,
        lately: tuple[int, ...] = LATELY,
        counts_age: bool = True,
    ) -> None:
        self.means = means
        self.slopes = slopes
        self.cycle = cycle
        self.settings = settings
        self.regimes = regimes
        self.lately = lately
        self.counts_age = counts_age

    def fit(self, x: FloatArray, y: object = None) -> Self:  # noqa: ARG002 - scikit-learn's signature
        """Learn the regimes and each one's mean and standard deviation of every sensor.

        Args:
            x: float32 [rows, W, fields], raw windows whose last slots are the rows to learn from.
            y: Ignored.
        """
        return self.learn(x[:, -1, :], x.shape[1])

    def learn(self, messages: FloatArray, window: int) -> Self:
        """What `fit` does, from the messages alone, which take a fraction of the windows' memory.

        Args:
            messages: float32 [rows, fields], the newest message of each window.
            window: Cycles in a window (W).
        """
        newest = messages.astype(np.float64)
        others = [c for c in range(newest.shape[1]) if c != self.cycle and c not in self.settings]
        self.window_ = window
        self.regimes_ = Regimes.fit(newest[:, list(self.settings)], newest[:, others], self.regimes)
        settings = messages[:, list(self.settings)]
        # A value of another regime is so far off that a few would widen a regime's deviation many times.
        clear = ~self.regimes_.unclear(settings)
        regime = self.regimes_.of(settings[clear])
        mean, scale = _standardisation(newest[clear][:, others], regime, self.regimes_.count)
        varying = np.flatnonzero(scale.any(axis=0))
        self.sensors_ = np.asarray(others, dtype=np.int64)[varying]
        self.mean_ = np.ascontiguousarray(mean[:, varying])
        self.scale_ = np.ascontiguousarray(scale[:, varying])
        # What is cut at LIMIT in training is what the model knows.
        rows = messages[clear][:, self.sensors_]
        farthest = np.abs(self._deviation(rows, regime))
        self.limit_ = np.fmax.reduce(farthest, axis=0, initial=np.float32(LIMIT))
        self.oldest_ = np.float32(max(1.0, np.nanmax(newest[:, self.cycle])))
        self.near_ = neighbours(self.window_)
        self.bank_, self.divisor_ = filter_bank(self.window_, self.means, self.slopes)
        return self

    @property
    def spans(self) -> FloatArray:
        """How many cycles it is from each slot of a window to its newest, both counted, float32 [W]."""
        return np.arange(self.window_, 0, -1, dtype=np.float32)

    @property
    def n_features_out_(self) -> int:
        """How many features a window has."""
        return len(self.sensors_) * int(self.bank_.shape[1]) + len(self.lately) + 2

    @property
    def counted(self) -> FloatArray:
        """1 for the slots in which each count of messages counts, the last one all, float32 [W, counts]."""
        ages = self.spans[:, np.newaxis]
        return np.asarray(ages <= np.array([*self.lately, self.window_], dtype=np.float32), dtype=np.float32)

    def transform(self, x: FloatArray, rows: NDArray[np.int64] | None = None) -> FloatArray:
        """Features of raw windows.

        Args:
            x: float32 [windows, W, fields]; NaN where there is no message or value.
            rows: Of which windows, int64 [rows]; None: of all.

        Returns:
            float32 [rows, sensors x filters + lately + 2], never NaN: filtered sensors, messages seen lately and in
            all, cycle.
        """
        rows = np.arange(len(x)) if rows is None else rows
        out = np.empty((len(rows), self.n_features_out_), dtype=np.float32)
        for start in range(0, len(rows), _BLOCK):
            block = slice(start, start + _BLOCK)
            out[block] = self._transform_block(np.asarray(x[rows[block]], dtype=np.float32))
        return out

    def counts(self, x: FloatArray) -> FloatArray:
        """The last features alone: messages seen lately and in all, and the cycle or the window's span.

        Args:
            x: float32 [rows, W, fields], raw windows.

        Returns:
            float32 [rows, lately + 2].
        """
        cycles = x[:, :, self.cycle]
        present = np.where(np.isnan(cycles), np.float32(0), np.float32(1))
        messages = np.matmul(present, self.counted)
        if not self.counts_age:
            return np.concatenate([messages, (present * self.spans).max(axis=1, keepdims=True)], axis=1)
        newest = np.where(np.isnan(cycles[:, -1:]), np.float32(1), cycles[:, -1:])
        return np.concatenate([messages, np.rint(np.clip(newest, np.float32(1), self.oldest_))], axis=1)

    def _transform_block(self, x: FloatArray) -> FloatArray:
        raw = x[:, :, self.sensors_]
        missing = np.isnan(raw)
        raw = np.where(missing, np.float32(0), raw)
        if self.regimes_.count == 1:
            deviation = self._deviation(raw, np.int64(0))
        else:
            settings = x[:, :, list(self.settings)]
            deviation = self._deviation(raw, self.regimes_.of(settings))
            # A value by the standard of another regime would be worse than none.
            missing |= self.regimes_.unclear(settings)[:, :, np.newaxis]
        missing |= np.abs(deviation) > self.limit_
        present = np.where(missing, np.float32(0), np.float32(1))
        steps = np.rint(np.clip(deviation, np.float32(-LIMIT), np.float32(LIMIT))) * present
        seen = np.maximum(present.sum(axis=1, keepdims=True), np.float32(1))
        usual = np.rint(steps.sum(axis=1, keepdims=True) / seen)
        near = np.matmul(self.near_, present)
        local = np.rint(np.matmul(self.near_, steps) / np.maximum(near, np.float32(1)))
        filled = np.where(missing, np.where(near > 0, local, usual), steps)
        filtered = np.matmul(filled.transpose(0, 2, 1), self.bank_) / self.divisor_
        return np.concatenate([filtered.reshape(len(x), -1), self.counts(x)], axis=1)

    def _deviation(self, raw: FloatArray, regime: NDArray[np.int64] | np.int64) -> FloatArray:
        """How far values [..., sensors] are off the mean of their regime [...], in steps."""
        raw = np.clip(raw, np.float32(-LARGEST), np.float32(LARGEST))
        return np.asarray((raw - self.mean_[regime]) * self.scale_[regime], dtype=np.float32)


def filter_bank(window: int, means: tuple[int, ...], slopes: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Integer weights of the means and slopes, and what to divide each sum by.

    Lengths beyond the window are cut to it.

    Args:
        window: Cycles in a window (W).
        means: Lengths of the means, in cycles.
        slopes: Lengths of the slopes, in cycles.

    Returns:
        Weights float32 [window, filters], and divisors float32 [filters], powers of two. A mean comes out in standard
        deviations, a slope in standard deviations that the sensor changes by over the slope's length; both up to a
        factor between 0.7 and 1.5, because their divisors are rounded to powers of two.
    """
    columns, divisors = [], []
    for length in (min(each, window) for each in means):
        columns.append(np.concatenate([np.zeros(window - length), np.ones(length)]))
        divisors.append(float(length * STEPS))
    for length in (min(each, window) for each in slopes):
        weights = 2.0 * np.arange(length) - (length - 1)
        columns.append(np.concatenate([np.zeros(window - length), weights]))
        divisors.append(max(1.0, float(np.square(weights).sum()) / (2 * length)) * STEPS)
    powers = np.exp2(np.rint(np.log2(divisors)))
    return np.stack(columns, axis=1).astype(np.float32), powers.astype(np.float32)


def neighbours(window: int) -> FloatArray:
    """1 where two slots of a window are at most `NEAR` cycles apart, else 0; float32 [window, window]."""
    slots = np.arange(window)
    return np.asarray(np.abs(slots[:, np.newaxis] - slots) <= NEAR, dtype=np.float32)


def _standardisation(
    sensors: NDArray[np.float64], regime: NDArray[np.int64], count: int
) -> tuple[FloatArray, FloatArray]:
    """Mean, and steps for each unit of measurement, both float32 [regimes, sensors]; 0 steps for a constant."""
    mean = np.zeros((count, sensors.shape[1]))
    scale = np.zeros((count, sensors.shape[1]))
    for each in range(count):
        rows = sensors[regime == each]
        seen = ~np.isnan(rows).all(axis=0)
        mean[each, seen] = np.nanmean(rows[:, seen], axis=0)
        deviation = np.nanstd(rows[:, seen], axis=0)
        # A constant sensor's deviation is rounding, or nothing.
        varies = deviation > 1e-6 * np.maximum(np.abs(mean[each, seen]), 1e-6)
        scale[each, seen] = np.where(varies, STEPS / np.where(varies, deviation, 1.0), 0.0)
    return mean.astype(np.float32), scale.astype(np.float32)
