"""Which readings are archived with their predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from scoring.predictions.prediction import Prediction

_OFF, _ALL, _ALERTS = "off", "all", "alerts"
TAKES = f"`{_OFF}`, `{_ALL}`, `{_ALERTS}`, or a share from 0 to 1"
# An id's first 8 hexadecimal digits are as good as random.
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Archiving:
    """Which readings are archived.

    Attributes:
        share: Of all, 0 to 1. Which ones depends on the reading and the model, so that a repeat is none the less.
        alerts: Those whose prediction is an alert.
    """

    share: float = 0.0
    alerts: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """What a setting's text stands for.

        Raises:
            ValueError: Nothing.
        """
        if text in {_OFF, _ALL}:
            return cls(share=float(text == _ALL))
        if text == _ALERTS:
            return cls(alerts=True)
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            raise ValueError(f"expected {TAKES.replace('`', chr(39))}")
        return cls(share)

    def takes(self, answer: Prediction) -> bool:
        """Whether a reading is archived, by its prediction."""
        if self.alerts and answer.alert:
            return True
        return self.share > 0 and int(answer.id[:_DIGITS], 16) < self.share * 16**_DIGITS
