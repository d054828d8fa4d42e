"""Rows a second of `scoring batch` beside the bare call of the model on the same windows.

    python -m benchmarks.service.batch MODEL.onnx [--engines 100] [--cycles 200] [--rounds 3]

In one run and in turn: the model called for all windows of a file, 64 at a time, ready in memory; and the whole
command, as a process of its own, from each format to NDJSON, less the time that it takes for a single row.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import fastavro
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.telemetry import telemetry
from scoring.model.model import Model
from scoring.names import ENGINE
from scoring.predictions.classifier import MAX_BATCH
from scoring.telemetry.history import History
from scoring.telemetry.record import Telemetry

_CAPTURE = {
    "type": "record",
    "name": "EventData",
    "fields": [
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "Properties", "type": {"type": "map", "values": "string"}},
        {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
        {"name": "Body", "type": "bytes"},
    ],
}

Record = dict[str, object]


def records_of(names: tuple[str, ...], engines: int, cycles: int) -> list[Record]:
    """Telemetry of engines side by side, each in the order of its cycles."""
    rows = telemetry(engines, cycles).swapaxes(0, 1).reshape(engines * cycles, -1).tolist()
    return [{ENGINE: f"Client_{n % engines:03}", **dict(zip(names, row, strict=True))} for n, row in enumerate(rows)]


def write(folder: Path, name: str, records: list[Record]) -> dict[str, Path]:
    """The records in each format, by its name."""
    paths = {kind: folder / f"{name}.{kind}" for kind in ("ndjson", "csv", "parquet", "avro")}
    paths["ndjson"].write_text("".join(f"{json.dumps(each)}\n" for each in records))
    columns = list(records[0])
    with paths["csv"].open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(records)
    pq.write_table(pa.Table.from_pylist(records), paths["parquet"])
    messages = [
        {
            "EnqueuedTimeUtc": "2026-01-01T00:00:00Z",
            "Properties": {},
            "SystemProperties": {"connectionDeviceId": each[ENGINE]},
            "Body": json.dumps({key: value for key, value in each.items() if key != ENGINE}).encode(),
        }
        for each in records
    ]
    with paths["avro"].open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(_CAPTURE), messages, codec="deflate")
    return paths


def bare(model: Model, records: list[Record]) -> np.ndarray:
    """Seconds of the model's calls alone, and of processor time."""
    names = model.signature.field_names
    history = History(model.signature.window, len(names))
    windows = np.empty((MAX_BATCH, history.window, history.width), dtype=np.float32)
    seconds = np.zeros(2)
    for start in range(0, len(records), MAX_BATCH):
        chunk = records[start : start + MAX_BATCH]
        for index, record in enumerate(chunk):
            values = np.array([record[name] for name in names], dtype=np.float32)
            history.insert(Telemetry(str(record[ENGINE]), int(values[0]), values), windows[index])
        started = np.array([time.perf_counter(), time.process_time()])
        model.predict(windows[: len(chunk)])
        seconds += [time.perf_counter(), time.process_time()] - started
    return seconds


def command(model: Path, given: Path, folder: Path) -> np.ndarray:
    """Seconds of the whole command, and of processor time."""
    output = folder / "predictions.ndjson"
    output.unlink(missing_ok=True)
    arguments = ["batch", str(given), str(output), "--model", str(model)]
    started = np.array([time.perf_counter(), _processor_seconds()])
    subprocess.run([sys.executable, "-m", "scoring", *arguments], check=True, stdout=subprocess.DEVNULL)
    return [time.perf_counter(), _processor_seconds()] - started


def _processor_seconds() -> float:
    """What all processes that have been waited for have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--engines", type=int, default=100)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    model = Model.load(options.model)
    records = records_of(model.signature.field_names, options.engines, options.cycles)
    rates: dict[str, list[np.ndarray]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        paths, one = write(folder, "telemetry", records), write(folder, "one", records[:1])
        for _ in range(options.rounds):
            rates["bare call"].append(len(records) / bare(model, records))
            for kind, path in paths.items():
                # Python, the libraries and the model are loaded once, however many rows there are.
                start = command(options.model, one[kind], folder)
                rates[kind].append((len(records) - 1) / (command(options.model, path, folder) - start))
    reference = np.median(rates["bare call"], axis=0)
    print(f"{'':10} {'rows/s':>8} {'ratio':>6}   a second of processor time")
    for kind, found in rates.items():
        rate = np.median(found, axis=0)
        ratio = rate / reference
        print(f"{kind:10} {rate[0]:8.0f} {ratio[0]:6.2f} {rate[1]:8.0f} {ratio[1]:6.2f}")


if __name__ == "__main__":
    main()
