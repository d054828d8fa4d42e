"""Writes telemetry of pumps that wear out, for examples/pumps.toml: `python examples/pumps.py DIRECTORY`."""

import csv
import sys
from pathlib import Path

import numpy as np

HEADER = ["Pump", "Hour", "Speed", "Pressure", "Flow", "Vibration", "BearingTemperature", "MotorCurrent"]


def pump(name: str, rng: np.random.Generator, *, cut: bool) -> list[list[object]]:
    """One pump's hours, at two speeds, with 1% of values missing; cut off some time before failure if asked."""
    life = int(rng.integers(120, 260))
    rows: list[list[object]] = []
    for hour in range(1, life - (int(rng.integers(0, 90)) if cut else 0) + 1):
        wear, fast = np.exp((hour - life) / 30), rng.random() < 0.4
        values = [
            5.0 + 2.0 * fast - 0.8 * wear + rng.normal(0, 0.08),
            40.0 + 20.0 * fast - 5.0 * wear + rng.normal(0, 0.6),
            2.0 + 1.0 * fast + 3.0 * wear + rng.normal(0, 0.3),
            55.0 + 8.0 * fast + 12.0 * wear + rng.normal(0, 1.0),
            11.0 + 6.0 * fast + 1.0 * wear + rng.normal(0, 0.2),
        ]
        cells = ["" if rng.random() < 0.01 else f"{value:.2f}" for value in values]
        rows.append([name, hour, 2900 if fast else 1450, *cells, life - hour])
    return rows


def main(directory: Path) -> None:
    """Write train_pumps.csv, of pumps that ran to failure, and test_pumps.csv, with the true RUL."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for kind, count in (("train", 30), ("test", 10)):
        rows = [row for number in range(count) for row in pump(f"P-{number:03}", rng, cut=kind == "test")]
        with (directory / f"{kind}_pumps.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*HEADER, "RUL" if kind == "test" else "Ended"])
            # How a pump ended stands on its last row.
            writer.writerows(row if kind == "test" else [*row[:-1], "" if row[-1] else "failed"] for row in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
