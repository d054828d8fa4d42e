"""When to raise an alert: the threshold for the shortest RUL class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RECALL = 0.95
"""The share of cycles of the shortest class in which the alert must be on."""


def alert_threshold(probability: NDArray[np.float32], due: NDArray[np.bool_], recall: float = RECALL) -> float:
    """The highest threshold that still finds the asked share of what is due.

    Args:
        probability: float32 [rows], of the shortest class, for engines that the predicting model had not seen.
        due: bool [rows], whether the row is truly of that class.
        recall: The share of due rows to find.

    Returns:
        The threshold, rounded down to 3 digits; an alert is on where the probability reaches it. 1 if nothing is due.
    """
    if not due.any():
        return 1.0
    found = np.quantile(probability[due], 1 - recall, method="lower")
    return float(np.floor(found * 1000) / 1000)
