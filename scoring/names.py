"""The names that every message has, whatever machine it is of."""

ENGINE = "ConnectionDeviceId"
"""Under which key a record names its engine."""
CYCLE = "CycleTime"
"""Under which key an answer tells its cycle; a record's is the model's own."""
