"""C-MAPSS text files and telemetry messages of engines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scoring.telemetry.turbofan import FIELDS
from simulator.engines.regimes import SENSOR_DECIMALS, SETTING_DECIMALS
from simulator.engines.wear import SUBSETS, Engine, engines
from simulator.errors import SimulatorError

DECIMALS = SETTING_DECIMALS + SENSOR_DECIMALS
NAMES = tuple(field.name for field in FIELDS)


def telemetry(engine: Engine) -> Iterable[dict[str, float]]:
    """The messages that an engine sends, one a cycle, with the field names of the tutorial."""
    for cycle, row in enumerate(engine.rows.tolist(), start=1):
        yield dict(zip(NAMES, (cycle, *row), strict=True))


def text(engine: Engine) -> str:
    """An engine's lines of a C-MAPSS file: unit, cycle, 24 numbers, and NASA's two blanks at the end."""
    lines = []
    for cycle, row in enumerate(engine.rows.tolist(), start=1):
        numbers = " ".join(f"{value:.{decimals}f}" for value, decimals in zip(row, DECIMALS, strict=True))
        lines.append(f"{engine.unit} {cycle} {numbers}  \n")
    return "".join(lines)


def write_subset(
    folder: Path, subset: str = "FD003", *, train: int | None = None, test: int | None = None, seed: int = 1
) -> tuple[Path, ...]:
    """Write train_, test_ and RUL_ files of a subset, as many engines as NASA's unless told otherwise.

    Beside them stands a table of why the training engines failed.

    Args:
        folder: Made if missing.
        subset: Such as FD003.
        train: How many engines; None: as many as NASA's.
        test: How many engines; None: as many as NASA's.
        seed: Another one gives other engines.
    """
    if subset not in SUBSETS:
        raise SimulatorError(f"subset {subset!r} is not known; the subsets are {', '.join(SUBSETS)}")
    folder.mkdir(parents=True, exist_ok=True)
    train_file, test_file, rul_file = (folder / f"{kind}_{subset}.txt" for kind in ("train", "test", "RUL"))
    ended_file = folder / f"ended_{subset}.csv"
    train = SUBSETS[subset].train if train is None else train
    test = SUBSETS[subset].test if test is None else test
    with (
        train_file.open("w", encoding="ascii", newline="\n") as file,
        ended_file.open("w", encoding="ascii", newline="\n") as ended,
    ):
        ended.write("unit,Ended,FailureMode\n")
        for engine in engines(subset, train, seed):
            file.write(text(engine))
            ended.write(f"{engine.unit},failed,{engine.fault.value}\n")
    with (
        test_file.open("w", encoding="ascii", newline="\n") as file,
        rul_file.open("w", encoding="ascii", newline="\n") as truth,
    ):
        for engine in engines(subset, test, seed, truncated=True):
            file.write(text(engine))
            truth.write(f"{engine.remaining}  \n")
    return train_file, test_file, rul_file, ended_file
