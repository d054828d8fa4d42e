"""What can be set of rulclassifier."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from modules.edge import settings
from modules.edge.host import settings as host
from modules.edge.settings import Choice, Folder, Number, Setting, Text
from modules.rulclassifier.archiving import TAKES, Archiving
from modules.rulclassifier.continuity import CONFIRM_SECONDS as DEFAULT_CONFIRM_SECONDS
from modules.rulclassifier.continuity import JUMP
from scoring.predictions.lasting import CURVE, MOST, Lasting, lasting
from scoring.telemetry.history import DEFAULT_ENGINES

# An hour without a cloud at 100 messages a second of 700 bytes; eMMC of the smallest gateways has 4 GB.
_JOURNAL_MEGABYTES = 256


class UnnamedEngine(StrEnum):
    """What becomes of a reading in which a module names no engine."""

    DEADLETTER = "deadletter"
    """It is a dead letter: the module speaks for many, and nobody knows for which now."""
    DEVICE = "device"
    """It is one of the edge device's own engine."""


class WithoutDigest(StrEnum):
    """What becomes of a model file that an earlier version wrote, which could be damaged unseen."""

    SERVE = "serve"
    """It is served, with a warning."""
    REFUSE = "refuse"
    """The module ends with one line."""


@dataclass(frozen=True, kw_only=True)
class Cycles(Setting[Lasting]):
    """Numbers of cycles, or those that the model itself tells; none if it is empty or not set."""

    def parse(self, given: str) -> Lasting:
        """The numbers."""
        return lasting(given)

    @property
    def takes(self) -> str:
        """The form."""
        return f"`{CURVE}`, or up to {MOST} numbers"

    def _default(self) -> Lasting:
        return ()


@dataclass(frozen=True, kw_only=True)
class Archived(Setting[Archiving]):
    """Which readings are archived; none if it is not set."""

    def parse(self, given: str) -> Archiving:
        """What the text stands for."""
        return Archiving.of(given)

    @property
    def takes(self) -> str:
        """The forms."""
        return TAKES

    @property
    def preset(self) -> str:
        """None."""
        return "`off`"

    def _default(self) -> Archiving:
        return Archiving()


MODEL_PATH = Text(name="MODEL_PATH", text="the ONNX file; the image's default is its own, the fleet's")
MODEL_WITHOUT_DIGEST = Choice(
    name="MODEL_WITHOUT_DIGEST",
    text="what becomes of a model file without a digest, as earlier versions wrote them: `serve` warns once",
    default=WithoutDigest.SERVE,
)
STATE_DIR = Folder(name="STATE_DIR", text="where the journal is")
ENGINES = Number(
    name="ENGINES",
    text="histories kept; at the bound a sender that holds many gives up its own, the least recently seen first",
    default=DEFAULT_ENGINES,
    lowest=1,
    highest=100_000,
)
CHANCE_TO_LAST = Cycles(
    name="CHANCE_TO_LAST",
    text="for which numbers of cycles a prediction says how likely the engine lasts longer, such as `30 60`; `curve`: "
    "those that the model itself tells",
)
ARCHIVE = Archived(
    name="ARCHIVE",
    text="which readings go out on `archive` with their predictions: none, all, those that are alerts, or a share",
)
MAX_CYCLE_JUMP = Number(
    name="MAX_CYCLE_JUMP",
    text="how many cycles a reading may be ahead of its engine's newest before it is held back until the next one "
    "confirms it",
    default=JUMP,
    lowest=1,
    highest=1_000_000,
)
CONFIRM_SECONDS = Number(
    name="CONFIRM_SECONDS",
    text="how long it is held back at most; then it is a dead letter",
    default=DEFAULT_CONFIRM_SECONDS,
    lowest=1.0,
    highest=1e6,
)
UNNAMED_ENGINE = Choice(
    name="UNNAMED_ENGINE",
    text="what becomes of a module's reading that names no engine: a dead letter, or one of the edge device's engine",
    default=UnnamedEngine.DEADLETTER,
)
JOURNAL_MEGABYTES = Number(
    name="JOURNAL_MEGABYTES",
    text="what waits on disk at most; at the limit edgeHub keeps the rest",
    default=_JOURNAL_MEGABYTES,
    lowest=1,
    highest=100_000,
)
JOURNAL_DURABILITY = host.JOURNAL_DURABILITY
WATCHDOG_STALL_SECONDS = host.WATCHDOG_STALL_SECONDS
WATCHDOG_EARLIEST_SECONDS = host.WATCHDOG_EARLIEST_SECONDS
METRICS_LISTEN = settings.METRICS_LISTEN
