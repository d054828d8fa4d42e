"""The service beside other servers, on the same model and machine, in one run, in turn.

    python -m benchmarks.service MODEL.onnx [--seconds 4] [--rounds 3] [--servers ours mlserver ...]

Each server gets the same windows in its own protocol: one in a request, over 1, 8 and 64 connections, and in bulk those
of 64 cycles that follow each other, over 4. The service also gets them as lines of one stream, and the records of whole
lives as lines, one by one and each life in one piece (a trajectory). The table has the median of the rounds: answers a
second, milliseconds, answers a second of the server's processor time (which other work on the machine disturbs less),
and the service's ratio to the best of the others.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.service.environments import ROOT
from benchmarks.service.servers import Server, servers, shape
from benchmarks.telemetry import telemetry
from scoring.model.model import Model
from scoring.names import ENGINE

CONNECTIONS = (1, 8, 64)
BULK_WINDOWS = 64
BULK_CONNECTIONS = 4
LIVES = 64
LIFE_CYCLES = 200
STREAMS = ("windows", "records", "trajectories")
# Streams about as long as the other measurements.
_STREAMED_ROWS = {"windows": 10_000, "records": 30_000, "trajectories": 50_000}
_WARM_SECONDS = 1.0

Figures = dict[str, list[float]]


def windows_of(model: Path, count: int) -> np.ndarray:
    """The windows of so many cycles of an engine in mid-life that follow each other."""
    length, _ = shape(model)
    (life,) = telemetry(1, 2 * length + count)
    return np.stack([life[length + start : 2 * length + start] for start in range(count)])


def write_streams(folder: Path, model: Path) -> dict[str, int]:
    """Write what is streamed to the service, a file for each form; returns how many answers each asks for."""
    names = Model.load(model).signature.field_names
    windows = [{"rows": each} for each in windows_of(model, BULK_WINDOWS).tolist()]
    lives = telemetry(LIVES, LIFE_CYCLES).tolist()
    trajectories = [{ENGINE: f"e{n}", "rows": life, "each": True} for n, life in enumerate(lives)]
    records = [{ENGINE: f"e{n}", **dict(zip(names, row, strict=True))} for n, life in enumerate(lives) for row in life]
    for name, items in zip(STREAMS, (windows, records, trajectories), strict=True):
        (folder / name).write_text("".join(f"{json.dumps(item)}\n" for item in items))
    return dict(zip(STREAMS, (len(windows), len(records), len(records)), strict=True))


def ask(server: Server, body: Path, connections: int, seconds: float) -> list[float]:
    """The seconds of each answer."""
    command = [sys.executable, "-m", "benchmarks.service.load", str(server.port), server.path, str(body)]
    found = subprocess.run([*command, str(connections), str(seconds)], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answer = json.loads(found.stdout)
    if answer["refused"]:
        raise RuntimeError(f"{server.name} refused {len(answer['refused'])} requests: {answer['refused'][0]}")
    return answer["seconds"]


def stream(server: Server, lines: Path, times: int) -> float:
    """The seconds that so many times the lines take."""
    command = [sys.executable, "-m", "benchmarks.service.stream", str(server.port), str(lines), str(times)]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answers, seconds = map(float, found.stdout.split())
    if answers != times * lines.read_bytes().count(b"\n"):
        raise RuntimeError(f"{answers:.0f} lines were answered with predictions, not all")
    return seconds


def measure(all_servers: list[Server], model: Path, folder: Path, seconds: float, rounds: int) -> dict[str, Figures]:
    """By server and measure, the figure of each round."""
    figures: dict[str, Figures] = defaultdict(lambda: defaultdict(list))
    one, many = windows_of(model, 1), windows_of(model, BULK_WINDOWS)
    for server in all_servers:
        (folder / f"{server.name}.one").write_bytes(server.body(one))
        (folder / f"{server.name}.many").write_bytes(server.body(many))
    asked = write_streams(folder, model)
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for server in all_servers:
                ask(server, folder / f"{server.name}.one", connections, _WARM_SECONDS)
                before = server.cpu_seconds
                taken = ask(server, folder / f"{server.name}.one", connections, seconds)
                figures[server.name][f"{connections} cpu"].append(len(taken) / (server.cpu_seconds - before))
                figures[server.name][f"{connections} rps"].append(len(taken) / seconds)
                p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
                figures[server.name][f"{connections} p50"].append(p50)
                figures[server.name][f"{connections} p99"].append(p99)
        for server in all_servers:
            before = server.cpu_seconds
            taken = ask(server, folder / f"{server.name}.many", BULK_CONNECTIONS, seconds)
            figures[server.name]["bulk cpu"].append(len(taken) * BULK_WINDOWS / (server.cpu_seconds - before))
            figures[server.name]["bulk"].append(len(taken) * BULK_WINDOWS / seconds)
            if server.name == "ours":
                for what in STREAMS:
                    before = server.cpu_seconds
                    times = round(seconds * _STREAMED_ROWS[what] / asked[what])
                    figures["ours"][what].append(times * asked[what] / stream(server, folder / what, times))
                    figures["ours"][f"{what} cpu"].append(times * asked[what] / (server.cpu_seconds - before))
    return figures


def show(figures: dict[str, Figures]) -> None:
    median = {name: {key: statistics.median(values) for key, values in each.items()} for name, each in figures.items()}
    columns = [f"{n} {what}" for n in CONNECTIONS for what in ("rps", "p50", "p99", "cpu")] + ["bulk", "bulk cpu"]
    print(" " * 10 + "".join(f"{column:>9}" for column in columns))
    for name, each in median.items():
        print(f"{name:10}" + "".join(f"{each[column]:9.{2 if column[-3] == 'p' else 0}f}" for column in columns))
    ours = median["ours"]
    for what in STREAMS:
        print(f"ours, lines of {what}: {ours[what]:.0f} rows/s, {ours[f'{what} cpu']:.0f} a second of processor time")
    others = [each for name, each in median.items() if name != "ours"]
    if not others:
        return
    best = {column: (min if column[-3] == "p" else max)(each[column] for each in others) for column in columns}
    print("times the best of the others, in answers a second, and in answers a second of processor time:")
    for n in CONNECTIONS:
        ratios = [ours[f"{n} {what}"] / best[f"{n} {what}"] for what in ("rps", "cpu")]
        p99 = f"p99 {ours[f'{n} p99']:.1f} ms, the others' best {best[f'{n} p99']:.1f} ms"
        print(f"{n:3} connections {ratios[0]:6.2f} {ratios[1]:6.2f}   {p99}")
    for what in ("bulk", *STREAMS):
        print(f"{what:15} {ours[what] / best['bulk']:6.2f} {ours[f'{what} cpu'] / best['bulk cpu']:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", nargs="+", default=["ours", "azureml", "bentoml", "mlflow", "mlserver"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        folder = Path(home)
        chosen = [each for each in servers(options.model.resolve(), folder) if each.name in options.servers]
        for server in chosen:
            stack.enter_context(server.running())
        figures = measure(chosen, options.model, folder, options.seconds, options.rounds)
    show(figures)


if __name__ == "__main__":
    main()
