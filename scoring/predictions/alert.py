"""When a prediction is an alert."""

from __future__ import annotations

from collections.abc import Mapping

from scoring.model.signature import Signature


def is_alert(signature: Signature, probabilities: Mapping[str, float]) -> bool:
    """Whether a prediction reaches the threshold at which its model wants somebody to be told.

    Args:
        signature: The model's; one that sets no threshold never wants it.
        probabilities: What the model says, by class.
    """
    rule = signature.alert
    return bool(rule) and probabilities[rule["class"]] >= float(rule.get("threshold", 1.0))
