"""Operating regimes: the few combinations of settings at which engines run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FloatArray = NDArray[np.float32]

GRID = 512
"""Steps to which the range of a setting in training is rounded."""
LARGEST = 1e20
"""Raw values are cut here, so that what is computed of them stays finite."""
MOST = 8
"""The largest number of regimes that is tried."""
# Distances are compared in whole numbers, and settings are cut to -GRID..2 GRID: three of them stay below 2**24.
LOWEST, HIGHEST = -float(GRID), 2.0 * GRID
UNCLEAR = (GRID / 16) ** 2
"""Without all settings, regimes whose squared distance on the grid is within this of the nearest one's may be meant."""
# More regimes are worth having if the sensors' variance within regimes falls by more than this factor.
_WORTH = 1.1
_SAMPLE = 20_000


@dataclass(frozen=True)
class Regimes:
    """Centres of the operating regimes, the most frequent first.

    Attributes:
        offset: float32 [settings], subtracted from the raw settings.
        scale: float32 [settings], multiplied to get to the grid.
        centres: float32 [regimes, settings], whole numbers on the grid.
    """

    offset: FloatArray
    scale: FloatArray
    centres: FloatArray

    @property
    def count(self) -> int:
        """How many regimes there are."""
        return len(self.centres)

    @classmethod
    def fit(cls, settings: NDArray[np.float64], sensors: NDArray[np.float64], count: int | None) -> Regimes:
        """Find the regimes by k-means on the settings.

        Args:
            settings: [rows, settings]; rows with a missing setting are left out.
            sensors: [rows, sensors], whose variance tells how many regimes there are.
            count: How many; None: the fewest after which more would hardly explain the sensors any better.
        """
        if not settings.shape[1]:
            none = np.zeros(0, dtype=np.float32)
            return cls(none, none, np.zeros((1, 0), dtype=np.float32))
        rows = np.flatnonzero(~np.isnan(settings).any(axis=1))
        rows = np.random.default_rng(0).permutation(rows)[:_SAMPLE]
        settings, sensors = settings[rows], sensors[rows]
        offset = settings.min(axis=0)
        spread = np.ptp(settings, axis=0)
        scale = np.where(spread > 0, GRID / np.where(spread > 0, spread, 1.0), 0.0)
        grid = (settings - offset) * scale
        distinct = len(np.unique(grid, axis=0))
        candidates = range(1, min(MOST, distinct) + 1) if count is None else [min(count, distinct)]
        # One thread: k-means adds up in the threads' order, and its centres would differ from run to run.
        with threadpool_limits(limits=1):
            found = [KMeans(each, n_init=4, random_state=0).fit(grid) for each in candidates]
        within = np.array([_variance_within(sensors, each.labels_) for each in found])
        best = found[int(np.flatnonzero(within <= _WORTH * within.min())[0])]
        order = np.argsort(-np.bincount(best.labels_), kind="stable")
        centres = np.rint(best.cluster_centers_[order])
        return cls(offset.astype(np.float32), scale.astype(np.float32), centres.astype(np.float32))

    def of(self, settings: FloatArray) -> NDArray[np.int64]:
        """The regime of each row of float32 [..., settings]; a missing setting counts for no regime.

        Args:
            settings: float32 [..., settings], NaN where one is absent.
        """
        return np.asarray(np.argmin(self._distances(settings), axis=-1), dtype=np.int64)

    def unclear(self, settings: FloatArray) -> NDArray[np.bool_]:
        """Whether several regimes may be meant, as a setting that tells them apart is missing; bool [...].

        Args:
            settings: float32 [..., settings], NaN where one is absent.
        """
        distances = self._distances(settings)
        meant = distances <= distances.min(axis=-1, keepdims=True) + np.float32(UNCLEAR)
        return np.asarray(np.isnan(settings).any(axis=-1) & (np.count_nonzero(meant, axis=-1) > 1))

    def _distances(self, settings: FloatArray) -> FloatArray:
        """Squared distances to each centre, less what is the same for all, float32 [..., regimes]."""
        missing = np.isnan(settings)
        present = np.where(missing, np.float32(0), np.float32(1))
        raw = np.clip(np.where(missing, np.float32(0), settings), np.float32(-LARGEST), np.float32(LARGEST))
        grid = np.rint(np.clip((raw - self.offset) * self.scale, np.float32(LOWEST), np.float32(HIGHEST)))
        squares = np.matmul(present, self.centres.T**2)
        return np.asarray(np.matmul(grid * present, -2 * self.centres.T) + squares, dtype=np.float32)


def _variance_within(sensors: NDArray[np.float64], regime: NDArray[np.int32]) -> float:
    """The mean share of the sensors' variance that lies within regimes."""
    shares = []
    for column in sensors.T:
        seen = ~np.isnan(column)
        values, labels = column[seen], regime[seen]
        total = values.var() if len(values) else 0.0
        if total <= 1e-12 * np.square(np.abs(values).max(initial=0.0)):
            continue
        size = np.maximum(np.bincount(labels), 1)
        centre = np.bincount(labels, values) / size
        shares.append(np.square(values - centre[labels]).mean() / total)
    return float(np.mean(shares)) if shares else 1.0
