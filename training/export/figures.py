"""What a model's signature says of how good it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from training.data.dataset import Dataset
from training.evaluation.alerts import alerts
from training.evaluation.removal import rules
from training.fitting.fit import Fitted


def cross_validation(data: Dataset, fitted: Fitted) -> dict[str, Any]:
    """What cross-validation says of a fitted model, for its signature: figures, alerts, rules for removing engines."""
    said, curve = fitted.outputs, fitted.pipeline[-1].grades_.curve
    figures: dict[str, Any] = plain(
        {
            **fitted.figures.as_dict(),
            "torn": fitted.torn,
            "alerts": {
                **asdict(alerts(said.probabilities[:, 0], data, data.task.classes.edges[0], fitted.alert.threshold)),
                "risk": fitted.alert.risk,
            },
            "rules": [asdict(each) for each in rules(said, curve, data)],
        }
    )
    return figures


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever figures hold
    """Figures as JSON has them, rounded to 4 significant digits behind the point."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.3g}") if abs(value) < 1e-3 else float(np.round(value, 4))
    return value
