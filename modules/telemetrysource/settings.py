"""What can be set of telemetrysource."""

from __future__ import annotations

from modules.edge import settings
from modules.edge.settings import Folder, Number, Text
from modules.telemetrysource import pace

# What an IoT Hub device id may be made of.
_ID_CHARACTER = r"[A-Za-z0-9\-.+%_#*?!(),:=@$']"
# What is left of an IoT Hub device id's 128 characters for a unit and the number of a repetition.
_PREFIX_CHARACTERS = 100

TELEMETRY_PATH = Text(name="TELEMETRY_PATH", text="C-MAPSS text, or a task's own table (`.csv`); either may be in .gz")
MODEL_PATH = Text(
    name="MODEL_PATH",
    text="the model for which a table is replayed: it says which columns are its fields, and which names the machine",
    default="",
)
STATE_DIR = Folder(name="STATE_DIR", text="where it keeps how far it has come")
RATE = Number(
    name="RATE",
    twin="rate",
    text="messages a second for all engines; 0: no limit",
    default=100.0,
    lowest=0.0,
    highest=pace.HIGHEST_RATE,
)
SPEED_UP = Number(
    name="SPEED_UP",
    text="how many times faster than in life cycles follow each other; 0: they do not wait",
    default=0.0,
    lowest=0.0,
    highest=1e9,
)
CYCLE_SECONDS = Number(
    name="CYCLE_SECONDS", text="how long a cycle takes in life", default=pace.CYCLE_SECONDS, lowest=0.0, highest=1e6
)
CORRUPT_SHARE = Number(
    name="CORRUPT_SHARE",
    text="spoilt messages for each whole one, mixed in",
    default=0.0,
    lowest=0.0,
    highest=1.0,
)
REPEAT = Number(
    name="REPEAT",
    text="how often the file is replayed, each time by other engines",
    default=1,
    lowest=1,
    highest=1_000_000,
)
SEED = Number(name="SEED", text="of what is spoilt, and how", default=1, lowest=0, highest=1_000_000)
ENGINE_PREFIX = Text(
    name="ENGINE_PREFIX",
    text="an engine's id is this and its unit number, where a file has numbers; a table's own names stay as they are",
    default="Client_",
    pattern=rf"{_ID_CHARACTER}{{0,{_PREFIX_CHARACTERS}}}",
    form=f"at most {_PREFIX_CHARACTERS} letters, digits and `-.+%_#*?!(),:=@$'`",
)
METRICS_LISTEN = settings.METRICS_LISTEN
