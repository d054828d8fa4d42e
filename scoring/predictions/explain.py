"""Why a prediction is what it is: the fields without which it would change the most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.model.model import Model
from scoring.model.signature import FloatArray


@dataclass(frozen=True, slots=True)
class Influence:
    """How much a field speaks for a prediction.

    Attributes:
        field: The field's name.
        cycles: By how much its values change the median RUL, in cycles: negative, they shorten it; 0 for a model
            without RUL. The median is the one that no cap cuts, where the model tells it.
        probability: By how much they change the probabilities: the share that moves from class to class, 0 to 1; 0
            for a model without classes.
    """

    field: str
    cycles: float
    probability: float


def explain(model: Model, window: FloatArray, count: int = 3) -> list[Influence]:
    """The fields that speak loudest for a prediction, the loudest first.

    Each field in turn is taken out of the whole window, and the prediction compared with the one of the full window:
    explaining by removal (M. Robnik-Sikonja, I. Kononenko, "Explaining classifications for individual instances", IEEE
    TKDE 20(5), 2008), in one call of the model. The model replaces what is missing by what is usual. No message is
    taken out, so a model that answers windows with missing messages in another way does not do so here. Fields that
    the model cannot do without (the cycle, and the settings that its signature's data name) stay.

    Args:
        model: The model that predicts.
        window: float32 [W, fields], raw values, NaN where there is no message or value.
        count: How many fields to name.

    Returns:
        At most `count` influences. A field that is missing from the window has none.
    """
    signature = model.signature
    kept = {signature.cycle, *_settings(signature.data.get("settings"))}
    present = np.count_nonzero(~np.isnan(window), axis=0)
    columns = [column for column, name in enumerate(signature.field_names) if name not in kept and present[column]]
    outputs = model.predict_without(window, columns)
    moved = np.abs(outputs.probabilities[1:] - outputs.probabilities[0]).sum(axis=1) / 2
    cycles = np.zeros(len(columns))
    medians = outputs.middle if signature.curve else outputs.rul[:, 1:2]
    if medians.shape[1]:
        cycles = medians[0, 0] - medians[1:, 0]
    loudness = moved + np.abs(cycles) / (signature.rul_cap or 1.0)
    loudest = np.argsort(-loudness, kind="stable")[:count]
    return [
        Influence(signature.field_names[columns[each]], float(cycles[each]), float(moved[each])) for each in loudest
    ]


def _settings(named: object) -> Sequence[str]:
    return [str(each) for each in named] if isinstance(named, list) else []
