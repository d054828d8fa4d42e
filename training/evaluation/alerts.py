"""How good an alert is: what it finds, what it finds in vain, and how early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset


@dataclass(frozen=True)
class Alerts:
    """How good an alert on the shortest class is.

    Attributes:
        threshold: The probability from which on it is raised.
        recall: Share of the class's rows in which it is on; None without such rows.
        precision: Share of the rows in which it is on that are of the class; None if it never is.
        warned: Share of the engines that came into the class for which it was raised before the data end.
        lead: Cycles from an engine's first alert to its failure: 5th percentile, median, 95th; None without alerts.
    """

    threshold: float
    recall: float | None
    precision: float | None
    warned: float | None
    lead: tuple[float, float, float] | None


def alerts(probability: NDArray[np.float32], data: Dataset, edge: float, threshold: float) -> Alerts:
    """Judge an alert by what happened.

    Args:
        probability: float32 [rows], of the shortest class.
        data: What was predicted, with the truth.
        edge: The largest RUL of the shortest class, in cycles.
        threshold: The probability from which on the alert is raised.
    """
    on, due = probability >= threshold, data.rul <= edge
    units = data.trajectories.units
    first = np.flatnonzero(on)
    first = first[np.unique(units[first], return_index=True)[1]]
    lead = np.percentile(data.rul[first], [5, 50, 95]) if len(first) else None
    came_due = np.unique(units[due])
    return Alerts(
        threshold=threshold,
        recall=float(on[due].mean()) if due.any() else None,
        precision=float(due[on].mean()) if on.any() else None,
        warned=float(np.isin(came_due, units[first]).mean()) if len(came_due) else None,
        lead=None if lead is None else (float(lead[0]), float(lead[1]), float(lead[2])),
    )
