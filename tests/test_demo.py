"""`python -m demo`, as somebody runs it who has just cloned the project."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from simulator.engines.cmapss import write_subset
from tests.onnx_models import signature, tiny_model
from tests.places import ROOT
from tests.waiting import until_now

pytestmark = pytest.mark.whole


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "demo", *map(str, arguments)]


def demo(*arguments: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(
        command(*arguments), cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=250
    )


def test_a_quick_demo_takes_the_shipped_model_and_tells_a_machine_that_is_too_slow(tmp_path) -> None:
    # No machine answers as many: what is asked for is the most that can be.
    ended = demo("--quick", "--data", tmp_path, "--out", tmp_path / "out", "--rate", 10_000)
    assert ended.returncode == 0, ended.stderr
    told = " ".join(ended.stdout.split())
    assert "engines are simulated" in told
    assert "readings a second, not the 10000 that were asked for; latency is the queue's: try --rate" in told
    assert "nothing was lost" in told
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_a_model_of_other_telemetry_is_refused(tmp_path) -> None:
    write_subset(tmp_path, train=1, test=1)
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_model(signature(fields=signature().fields[:3])))
    ended = demo("--model", other, "--data", tmp_path, "--out", tmp_path / "out")
    assert ended.returncode == 2
    told = f"error: {other} is no model of RUL classes by C-MAPSS telemetry, which is what the demo feeds; give another"
    assert ended.stderr.startswith(told)
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("--model", "absent.onnx"), ("--rate", "-1"), ("--corrupt", "2"), ("--subset", "FD009"), ("--out", "README.md/x")],
)
def test_what_cannot_be_done_is_told_in_one_line(tmp_path, arguments) -> None:
    write_subset(tmp_path, train=1, test=1)
    ended = demo("--data", tmp_path, "--out", tmp_path / "out", *arguments)
    assert ended.returncode == 2
    assert "error: " in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("doing", "processes"), [((), 1), (("--quick",), 2)], ids=["training", "scoring"])
def test_a_demo_that_is_stopped_leaves_no_process_behind(tmp_path, number, doing, processes) -> None:
    write_subset(tmp_path, train=20, test=2)
    process = subprocess.Popen(
        command("--data", tmp_path, "--out", tmp_path / "out", *doing), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    mine = psutil.Process(process.pid)
    until_now(lambda: len(mine.children(recursive=True)) >= processes, 120.0)
    children = mine.children(recursive=True)
    process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "stopped"
    assert "Traceback" not in told
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
