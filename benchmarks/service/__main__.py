"""The service beside other servers, on the same model and machine, in one run, in turn.

    python -m benchmarks.service MODEL.onnx [--seconds 4] [--rounds 3] [--servers ours mlserver ...]

Each server gets the same windows in its own protocol: one in a request, over 1, 8 and 64 connections, and 64 in a
request, over 4. The service also gets them as lines of one stream, and as the single records that they are made of. The
table has the median of the rounds, and the service's ratio to the best of the others.
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
from scoring.model import Model

CONNECTIONS = (1, 8, 64)
BULK_WINDOWS = 64
BULK_CONNECTIONS = 4
_WARM_SECONDS = 1.0

Figures = dict[str, list[float]]


def windows_of(model: Path, count: int) -> np.ndarray:
    """Windows of engines at work: consecutive cycles of plausible values."""
    length, width = shape(model)
    values = np.random.default_rng(1).normal(500, 50, (count, length, width)).round(2)
    values[:, :, 0] = np.arange(1, length + 1)
    return values


def ask(server: Server, body: Path, connections: int, seconds: float) -> list[float]:
    """The seconds of each answer."""
    command = [sys.executable, "-m", "benchmarks.service.load", str(server.port), server.path, str(body)]
    found = subprocess.run([*command, str(connections), str(seconds)], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answer = json.loads(found.stdout)
    if answer["refused"]:
        raise RuntimeError(f"{server.name} refused {len(answer['refused'])} requests: {answer['refused'][0]}")
    return answer["seconds"]


def stream(server: Server, lines: Path, times: int) -> float:
    """Rows a second."""
    command = [sys.executable, "-m", "benchmarks.service.stream", str(server.port), str(lines), str(times)]
    found = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    answers, seconds = map(float, found.stdout.split())
    if answers != times * lines.read_bytes().count(b"\n"):
        raise RuntimeError(f"{answers:.0f} lines were answered with a prediction, not all")
    return answers / seconds


def measure(all_servers: list[Server], model: Path, folder: Path, seconds: float, rounds: int) -> dict[str, Figures]:
    """By server and measure, the figure of each round."""
    figures: dict[str, Figures] = defaultdict(lambda: defaultdict(list))
    one, many = windows_of(model, 1), windows_of(model, BULK_WINDOWS)
    for server in all_servers:
        (folder / f"{server.name}.one").write_bytes(server.body(one))
        (folder / f"{server.name}.many").write_bytes(server.body(many))
    names = Model.load(model).signature.field_names
    (folder / "windows").write_text("".join(f"{json.dumps({'rows': each})}\n" for each in many.tolist()))
    (folder / "records").write_text(
        "".join(
            f"{json.dumps({'ConnectionDeviceId': f'e{n}', **dict(zip(names, row, strict=True))})}\n"
            for n, window in enumerate(many.tolist())
            for row in window
        )
    )
    for _ in range(rounds):
        for connections in CONNECTIONS:
            for server in all_servers:
                ask(server, folder / f"{server.name}.one", connections, _WARM_SECONDS)
                taken = ask(server, folder / f"{server.name}.one", connections, seconds)
                figures[server.name][f"{connections} rps"].append(len(taken) / seconds)
                p50, p99 = np.quantile(taken, [0.5, 0.99]) * 1000
                figures[server.name][f"{connections} p50"].append(p50)
                figures[server.name][f"{connections} p99"].append(p99)
        for server in all_servers:
            taken = ask(server, folder / f"{server.name}.many", BULK_CONNECTIONS, seconds)
            figures[server.name]["bulk"].append(len(taken) * BULK_WINDOWS / seconds)
            if server.name == "ours":
                figures["ours"]["stream"].append(stream(server, folder / "windows", int(seconds * 50)))
                figures["ours"]["records"].append(stream(server, folder / "records", int(seconds)))
    return figures


def show(figures: dict[str, Figures]) -> None:
    median = {name: {key: statistics.median(values) for key, values in each.items()} for name, each in figures.items()}
    columns = [f"{n} {what}" for n in CONNECTIONS for what in ("rps", "p50", "p99")] + ["bulk"]
    print(f"{'':10}" + "".join(f"{column:>10}" for column in columns))
    for name, each in median.items():
        print(
            f"{name:10}"
            + "".join(f"{each[column]:10.{2 if column.split()[-1][0] == 'p' else 0}f}" for column in columns)
        )
    print(f"ours, lines of windows {median['ours']['stream']:8.0f} windows/s")
    print(f"ours, lines of records {median['ours']['records']:8.0f} records/s")
    others = [each for name, each in median.items() if name != "ours"]
    if not others:
        return
    for n in CONNECTIONS:
        best = max(others, key=lambda each: each[f"{n} rps"])
        p99 = min(each[f"{n} p99"] for each in others)
        print(
            f"{n:2} connections: {median['ours'][f'{n} rps'] / best[f'{n} rps']:.2f} times the requests of the best, "
            f"p99 {median['ours'][f'{n} p99']:.1f} ms, the others' best {p99:.1f} ms"
        )
    bulk = max(each["bulk"] for each in others)
    for what in ("bulk", "stream", "records"):
        print(f"{what}: {median['ours'][what] / bulk:.2f} times the rows of the best other")


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
