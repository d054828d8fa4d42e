"""Engines that wear out, after the damage propagation model of C-MAPSS.

A. Saxena, K. Goebel, D. Simon and N. Eklund, "Damage Propagation Modeling for Aircraft Engine Run-to-Failure
Simulation", PHM 2008: wear grows as `w = A exp(B(t))`, an engine starts with some wear that its maker left in, every
cycle adds a random amount, and the engine has failed once the health index reaches 0. Here health is `1 - w`, and
the growth is `exp(a t^b) - 1` with b between 1.4 and 1.6 as in the paper. Sensors follow wear linearly
(`simulator.regimes` has by how much), plus measurement noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulator.engines.regimes import REGIMES, SENSOR_DECIMALS, SENSORS, SETTING_DECIMALS, FaultMode, Regime
from simulator.errors import SimulatorError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Subset:
    """A C-MAPSS subset: its fault modes, its regimes, and how many engines NASA's files hold."""

    faults: tuple[FaultMode, ...]
    regimes: tuple[Regime, ...]
    train: int
    test: int


SUBSETS = {
    "FD001": Subset((FaultMode.HPC,), REGIMES[:1], 100, 100),
    "FD002": Subset((FaultMode.HPC,), REGIMES, 260, 259),
    "FD003": Subset((FaultMode.HPC, FaultMode.FAN), REGIMES[:1], 100, 100),
    "FD004": Subset((FaultMode.HPC, FaultMode.FAN), REGIMES, 249, 248),
}


@dataclass(frozen=True)
class Ageing:
    """How fast a fault mode wears an engine out, in cycles; a life is `shortest` plus a log-normal part."""

    shortest: float
    median_part: float
    spread: float
    growth: float  # a L^b of an engine with the median life L: the bend of its wear curve
    initial: float  # wear that an engine can have when new lies within plus and minus this, about the mean


# From the lives and wear curves of FD001 and FD003 (quantiles of the life; wear against the fraction of life).
AGEING = {
    FaultMode.HPC: Ageing(shortest=120, median_part=75, spread=0.5, growth=3.0, initial=0.3),
    FaultMode.FAN: Ageing(shortest=180, median_part=105, spread=0.6, growth=3.4, initial=0.2),
}

# Long-lived engines bend more sharply: between the curve being a function of life and of cycles left.
GROWTH_BY_LIFE = 0.45
# Shape of the gamma distribution of one cycle's wear about its mean: the process noise.
PROCESS_SHAPE = 8.0
# Half the engines with a worn compressor hold their core speed (sensors 9 and 14), the others let it rise; physical
# and corrected core speed move together, fan speeds (8 and 13) a little against them. Per unit of the skewed factor.
CORE_SPEED = {8: 175.0, 13: 160.0, 7: -0.13, 12: -0.13}
# Differences between new engines' core speeds, in rpm.
CORE_SPEED_OFFSET = {8: 7.0, 13: 6.5}
# A test engine's record stops this many cycles before failure, as in NASA's test files, and shows at least so many.
TEST_RUL = (6, 145)
TEST_LEAST_CYCLES = 30


@dataclass(frozen=True)
class Engine:
    """One engine from new to failure (or to where its record stops).

    Attributes:
        unit: Number within its file, from 1.
        fault: The part that wears out.
        rows: [cycles, 24], operational settings 1 to 3 and sensors 1 to 21, one row a cycle.
        remaining: Cycles that it would still fly after the last row.
    """

    unit: int
    fault: FaultMode
    rows: Array
    remaining: int

    @property
    def rul(self) -> Array:
        """True remaining useful life at each row, in cycles."""
        return np.arange(len(self.rows) - 1, -1, -1, dtype=np.float64) + self.remaining


def wear_out(rng: np.random.Generator, fault: FaultMode) -> Array:
    """Draw one engine's wear, cycle by cycle, from new to failure (1 at its last cycle, or just past it)."""
    ageing = AGEING[fault]
    exponent = rng.uniform(1.4, 1.6)
    # Cut at two standard deviations: no engine of NASA's training files flies more than 543 cycles.
    life = ageing.shortest + ageing.median_part * np.exp(ageing.spread * np.clip(rng.standard_normal(), -2, 2))
    growth = ageing.growth * (life / (ageing.shortest + ageing.median_part)) ** GROWTH_BY_LIFE
    initial = rng.uniform(-ageing.initial, ageing.initial)
    # Noise can delay failure; half as much again is far beyond what it ever takes.
    cycles = np.arange(1, int(life * 1.5) + 1)
    curve = np.expm1(growth * (cycles / life) ** exponent) / np.expm1(growth)
    steps = np.diff(curve, prepend=0.0) * rng.gamma(PROCESS_SHAPE, 1.0 / PROCESS_SHAPE, len(cycles))
    wear = initial + (1.0 - initial) * np.cumsum(steps)
    return wear[: int(np.argmax(wear >= 1.0)) + 1]


def fly(rng: np.random.Generator, regimes: tuple[Regime, ...], fault: FaultMode, wear: Array) -> Array:
    """What an engine's sensors read while it wears out: [cycles, 24], rounded as C-MAPSS rounds.

    Args:
        rng: Draws noise and flights.
        regimes: That the engine flies in.
        fault: What wears out.
        wear: Float64 [cycles], 0 when new, 1 at failure.
    """
    shares = np.array([regime.share for regime in regimes])
    flown = rng.choice(len(regimes), size=len(wear), p=shares / shares.sum())
    # Per regime and sensor: baseline_hpc, baseline_fan, wear_hpc, wear_fan, noise.
    trends = np.array([regime.sensors for regime in regimes])[flown]
    column = 0 if fault is FaultMode.HPC else 1
    sensitivity = rng.normal(1.0, 0.05)
    sensors = trends[:, :, column] + sensitivity * trends[:, :, 2 + column] * wear[:, None]
    sensors += trends[:, :, 4] * rng.standard_normal((len(wear), SENSORS))
    # The square of a uniform number, less its mean: many engines with little, few with much.
    core = rng.uniform() ** 2 - 1.0 / 3.0 if fault is FaultMode.HPC else 0.0
    for sensor, change in CORE_SPEED.items():
        sensors[:, sensor] += core * change * wear
    offset = rng.standard_normal()
    for sensor, spread in CORE_SPEED_OFFSET.items():
        sensors[:, sensor] += spread * offset
    settings = np.array([regime.settings for regime in regimes])[flown]
    settings[:, 0] += rng.normal(0.0, 0.0022, len(wear))
    settings[:, 1] += rng.normal(0.0, 0.0003, len(wear))
    rows = np.hstack([settings, sensors])
    for index, decimals in enumerate(SETTING_DECIMALS + SENSOR_DECIMALS):
        rows[:, index] = np.round(rows[:, index], decimals)
    return rows


def engines(subset: str, count: int, seed: int, *, truncated: bool = False) -> Iterator[Engine]:
    """Draw engines of a subset: the same ones for the same arguments.

    Args:
        subset: FD001 to FD004.
        count: How many.
        seed: What chooses them; training and test engines of one seed differ.
        truncated: Stop each record some cycles before failure, as test files do.
    """
    if subset not in SUBSETS:
        raise SimulatorError(f"subset {subset!r} is not known; the subsets are {', '.join(SUBSETS)}")
    kind = SUBSETS[subset]
    for unit in range(1, count + 1):
        rng = np.random.default_rng([seed, int(subset[2:]), int(truncated), unit])
        fault = kind.faults[rng.integers(len(kind.faults))]
        wear = wear_out(rng, fault)
        rows = fly(rng, kind.regimes, fault, wear)
        remaining = 0
        if truncated:
            remaining = min(int(rng.integers(TEST_RUL[0], TEST_RUL[1] + 1)), len(rows) - TEST_LEAST_CYCLES)
        yield Engine(unit, fault, rows[: len(rows) - remaining], remaining)
