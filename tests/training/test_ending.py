"""A command that is told to end leaves no process behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from training.ending import EndedError, ended_by_signals

pytestmark = pytest.mark.whole

# Starting workers takes seconds on a busy machine; a worker left behind would stay for five minutes.
PATIENCE = 30


def running(group):
    """The processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rsplit(")", 1)[1].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("network", [MLPClassifier, MLPRegressor])
def test_a_fit_of_a_network_that_is_ended_is_not_taken_for_done(network, signal_number):
    # Without an end of its own.
    endless = network(solver="adam", max_iter=10**9, n_iter_no_change=10**9)
    x = np.random.default_rng(0).random((50, 3))
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal_number))
    before = signal.getsignal(signal_number)
    timer.start()
    with pytest.raises(EndedError), ended_by_signals():
        endless.fit(x, np.arange(50) % 2)
    assert signal.getsignal(signal_number) is before


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_fit_that_is_ended_writes_nothing(small, tmp_path, signal_number):
    out = tmp_path / "out" / "tiny.onnx"
    command = ["fit", "--data", str(small), "--subset", "TINY", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *command], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    while "fitted 1" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal_number)
    said = process.communicate(timeout=PATIENCE)[1].splitlines()
    assert (process.returncode, said[-1]) == (130, "stopped")
    assert "Traceback" not in "".join(said)
    assert running(process.pid) == []
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_search_that_is_ended_takes_its_workers_with_it(small, tmp_path, signal_number):
    command = ["search", "--data", str(small), "--subset", "TINY", "--out", str(tmp_path), "--jobs", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *command], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    try:
        assert "folds to do" in process.stderr.readline()
        until = time.monotonic() + PATIENCE
        # The command, two trackers of resources, and two workers.
        while len(running(process.pid)) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal_number)
        said = process.communicate(timeout=PATIENCE)[1].splitlines()
        assert (process.returncode, said[-1]) == (130, "stopped")
        until = time.monotonic() + PATIENCE
        while running(process.pid) and time.monotonic() < until:
            time.sleep(0.05)
        assert running(process.pid) == []
    finally:
        if running(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
