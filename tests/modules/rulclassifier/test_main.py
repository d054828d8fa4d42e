"""How a module starts, as a process: what it refuses, and what it is while its model is being loaded."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from modules.edge.host.watchdog import EXIT_CODE
from tests.onnx_models import tiny_model
from tests.places import ROOT

pytestmark = pytest.mark.whole


def start(module: str, folder: Path, **settings: str) -> subprocess.Popen:
    environment = {"STATE_DIR": str(folder), "MODEL_PATH": "absent", "TELEMETRY_PATH": "absent", **settings}
    return subprocess.Popen(
        [sys.executable, "-m", f"modules.{module}.main"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def endless(tmp_path) -> Path:
    """A model whose load never comes to an end."""
    path = tmp_path / "endless.onnx"
    os.mkfifo(path)
    return path


def health(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_load_that_hangs_is_told_and_ends_when_it_is_told_to(tmp_path, endless, port) -> None:
    process = start("rulclassifier", tmp_path, MODEL_PATH=str(endless), METRICS_LISTEN=f"127.0.0.1:{port}")
    with process:
        try:
            assert f"loading the model {endless}" in process.stdout.readline()
            assert health(port) == (503, "the model is being loaded\n")
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert "stopped" in process.stdout.read()
        finally:
            process.kill()
    assert [each.name for each in tmp_path.iterdir()] == [endless.name]


def test_a_load_that_hangs_is_ended_by_the_watchdog_with_a_line_that_says_so(tmp_path, endless) -> None:
    settings = {"WATCHDOG_EARLIEST_SECONDS": "1", "WATCHDOG_STALL_SECONDS": "1"}
    process = start("rulclassifier", tmp_path, MODEL_PATH=str(endless), **settings)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == EXIT_CODE
    assert "[FTL] - the load of the model has waited" in output


@pytest.mark.parametrize("module", ["rulclassifier", "telemetrysource"])
def test_a_port_that_is_taken_ends_the_start_in_one_line_before_anything_is_opened(tmp_path, module) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listen = f"127.0.0.1:{server.getsockname()[1]}"
        process = start(module, tmp_path, METRICS_LISTEN=listen)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(output.splitlines()) == 1
    assert f"METRICS_LISTEN is '{listen}', where nothing can listen:" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("rulclassifier", "METRICS_LISTEN", "9600"),
        ("rulclassifier", "METRICS_LISTEN", "no.such.host.invalid:9600"),
        ("rulclassifier", "JOURNAL_MEGABYTES", "0"),
        ("rulclassifier", "WATCHDOG_STALL_SECONDS", "nan"),
        ("rulclassifier", "CHANCE_TO_LAST", "30, soon"),
        ("telemetrysource", "METRICS_LISTEN", "here:"),
        ("telemetrysource", "ENGINE_PREFIX", "engine no "),
        ("telemetrysource", "RATE", "fast"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_start_in_one_line(tmp_path, module, name, value) -> None:
    process = start(module, tmp_path, **{name: value})
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(output.splitlines()) == 1
    assert f"{name} is '{value}', " in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("setting", "severity", "code"), [("serve", "[WRN]", 0), ("refuse", "[FTL]", 2)])
def test_a_model_without_a_digest_is_served_with_a_warning_or_refused(tmp_path, setting, severity, code) -> None:
    kept = ROOT / "tests" / "scoring" / "kept" / "format-1.onnx"
    process = start("rulclassifier", tmp_path, MODEL_PATH=str(kept), MODEL_WITHOUT_DIGEST=setting)
    with process:
        assert "loading the model" in process.stdout.readline()
        told = process.stdout.readline()
        if code == 0:
            process.send_signal(signal.SIGTERM)
        process.communicate()
    assert severity in told
    assert "has signature format 1" in told
    assert process.returncode == code


def test_a_model_that_cannot_say_what_is_asked_of_it_ends_the_start_with_a_line_that_says_so(tmp_path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(tiny_model())
    process = start("rulclassifier", tmp_path, MODEL_PATH=str(tmp_path / "tiny.onnx"), CHANCE_TO_LAST="30")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    *_, told = output.splitlines()
    assert "Traceback" not in output
    assert "[FTL]" in told
    assert "tiny does not tell how likely an engine lasts another number of cycles" in told
