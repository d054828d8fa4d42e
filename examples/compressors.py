"""Writes readings as compressors that do not exist would send them: `python examples/compressors.py DIRECTORY`.

As historians write them: semicolons between cells, machines mixed, a reading an hour or so, some late, some twice,
hours without any, machines that failed by a bearing or by a seal, some that were taken out before, some that still run.
docs/data.md goes on from there.
"""

import csv
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

HEADER = [
    "Compressor",
    "Time",
    "Mode",
    "Discharge (bar)",
    "Flow (m3/h)",
    "Vibration (mm/s)",
    "Bearing (degC)",
    "Oil (bar)",
    "Current (A)",
    "Serial",
    "Spare",
    "Ended",
    "FailureMode",
]
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MACHINES = 40


def compressor(number: int, rng: np.random.Generator) -> list[tuple[datetime, list[object]]]:
    """One compressor's readings with the time of each; it wears out, is taken out, or still runs."""
    life = int(rng.integers(150, 320))
    fate = "failed" if number % 4 else ("removed" if number % 8 else "running")
    last = life if fate == "failed" else int(life * rng.uniform(0.3, 0.8))
    begin = BEGIN + timedelta(hours=float(rng.integers(0, 2000)))
    rows: list[tuple[datetime, list[object]]] = []
    hour = 0
    while hour < last:
        if rng.random() < 0.01:
            # Nobody listened for a while; not in the last hours, which say how it ended.
            hour += int(rng.integers(1, 12)) if hour < last - 20 else 0
        wear, loaded = np.exp((hour - life) / 35), rng.random() < 0.6
        # Which of its parts wears out more.
        bearing, seal = (wear, 0.3 * wear) if number % 3 else (0.3 * wear, wear)
        values = [
            7.0 + 0.5 * loaded - 0.9 * seal + rng.normal(0, 0.06),
            300.0 + 250.0 * loaded - 60.0 * seal + rng.normal(0, 6.0),
            1.5 + 0.8 * loaded + 3.0 * bearing + rng.normal(0, 0.25),
            60.0 + 9.0 * loaded + 14.0 * bearing + rng.normal(0, 1.0),
            3.0 - 0.7 * seal + rng.normal(0, 0.05),
            40.0 + 30.0 * loaded + 5.0 * wear + rng.normal(0, 0.8),
        ]
        cells: list[object] = ["" if rng.random() < 0.01 else f"{value:.3f}" for value in values]
        when = begin + timedelta(hours=hour, seconds=float(rng.uniform(0, 3000)))
        told = fate if hour == last - 1 else ""
        mode = ("bearing" if number % 3 else "seal") if told == "failed" else ""
        row = [f"C-{number:02}", when.strftime("%Y-%m-%dT%H:%M:%SZ"), "loaded" if loaded else "idle", *cells]
        rows.append((when, [*row, 4711 + number, "", told, mode]))
        hour += 1
    return rows


def main(directory: Path) -> None:
    """Write readings.csv."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    rows = [row for number in range(MACHINES) for row in compressor(number, rng)]
    # As they came in: by time, but for some that were late, and some that came twice.
    order = sorted(range(len(rows)), key=lambda row: rows[row][0] + timedelta(hours=5.0 * (rng.random() < 0.01)))
    with (directory / "readings.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        for row in order:
            writer.writerows([rows[row][1]] * (1 + (rng.random() < 0.005)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
