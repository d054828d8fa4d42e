"""Turbofan engines of the C-MAPSS data sets: the words that no other machine has."""

from __future__ import annotations

from scoring.model.signature import Field
from scoring.names import CYCLE

FIELDS: tuple[Field, ...] = (
    Field(CYCLE, "cycle"),
    Field("OperationalSetting1", "kft"),
    Field("OperationalSetting2", "Mach"),
    Field("OperationalSetting3", "deg"),
    Field("Sensor1", "degR"),
    Field("Sensor2", "degR"),
    Field("Sensor3", "degR"),
    Field("Sensor4", "degR"),
    Field("Sensor5", "psia"),
    Field("Sensor6", "psia"),
    Field("Sensor7", "psia"),
    Field("Sensor8", "rpm"),
    Field("Sensor9", "rpm"),
    Field("Sensor10", ""),
    Field("Sensor11", "psia"),
    Field("Sensor12", "pps/psi"),
    Field("Sensor13", "rpm"),
    Field("Sensor14", "rpm"),
    Field("Sensor15", ""),
    Field("Sensor16", ""),
    Field("Sensor17", ""),
    Field("Sensor18", "rpm"),
    Field("Sensor19", "rpm"),
    Field("Sensor20", "lbm/s"),
    Field("Sensor21", "lbm/s"),
)
"""C-MAPSS telemetry: the columns of a row, with units after Saxena et al. 2008, table 2."""

SETTINGS = ("OperationalSetting1", "OperationalSetting2", "OperationalSetting3")
"""The fields that tell the operating regime."""

CLASSES = ("F25", "F75", "F150", "Full")
"""The classes of the tutorial that this project follows, the shortest remaining life first."""
EDGES = (25.0, 75.0, 150.0)
"""The largest RUL of each but the last, in cycles."""
CAP = 125.0
"""Where RUL is cut in training, in cycles: long before failure, wear does not show."""
