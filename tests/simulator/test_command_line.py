"""`python -m simulator` as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.simulator.conftest import ROOT, simulator


def follow(home, count, *options):
    """The first lines that `upstream --follow` shows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "upstream", "--home", str(home), "--follow", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_shows_what_arrives_and_ends_cleanly_when_told_to(simulator_process, number):
    process, home = simulator_process
    lines = [json.loads(line) for line in follow(home, 3, "--json")]
    assert [json.loads(line["body"]) for line in lines] == [{"number": number} for number in range(3)]
    assert [line["message_id"] for line in lines] == ["id-0", "id-1", "id-2"]
    assert lines[0]["system"]["iothub-connection-module-id"] == "sender"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert not [child for child in children if child.is_running()]
    assert not (home / "runtime.json").exists()
    assert "Traceback" not in log
    plain = simulator("upstream", "--home", home)
    assert plain.stdout.splitlines() == [
        f'{number + 1} edge-device/sender/out {{"number": {number}}}' for number in range(3)
    ]


def test_a_reader_that_has_seen_enough_is_no_error(simulator_process):
    _, home = simulator_process
    follow(home, 1)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "simulator", "upstream", "--home", str(home)]
    shown = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (shown.returncode, shown.stderr) == (0, b"")


def test_engines_are_written(tmp_path):
    result = simulator("engines", "--out", tmp_path, "--train", 2, "--test", 1)
    assert result.returncode == 0
    assert [Path(line).name for line in result.stdout.split()] == [
        "train_FD003.txt",
        "test_FD003.txt",
        "RUL_FD003.txt",
    ]
    assert all(Path(line).exists() for line in result.stdout.split())


def test_a_manifest_is_generated_and_can_be_run(tmp_path):
    environment = os.environ | {
        line.split("=")[0]: line.split("=")[1].strip()
        for line in (ROOT / ".env.example").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    }
    out = tmp_path / "manifest.json"
    result = simulator("manifest", "--arch", "arm32v7", "--out", out, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "arm32v7" in out.read_text()


def test_a_manifest_that_keeps_nothing_of_the_runtime_on_the_host_is_warned_of_and_made_all_the_same(tmp_path):
    template = tmp_path / "deployment.template.json"
    content = json.loads((ROOT / "examples" / "ten_line_manifest.json").read_text())
    for module in content["modulesContent"]["$edgeAgent"]["properties.desired"]["systemModules"].values():
        del module["env"]
    template.write_text(json.dumps(content))
    made = simulator("manifest", "--template", template)
    assert made.returncode == 0
    assert "edgeHub" in json.loads(made.stdout)["modulesContent"]["$edgeAgent"]["properties.desired"]["systemModules"]
    assert [line.split(" keeps ")[0] for line in made.stderr.splitlines()] == ["warning: edgeHub", "warning: edgeAgent"]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", str(template), "--home", str(tmp_path / "home")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("running at 127.")
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert "WARN edgeHub keeps its store in its container" in errors


def test_errors_are_one_line_and_an_exit_code(tmp_path):
    for arguments in (
        ("run", tmp_path / "none.json", "--home", tmp_path / "home"),
        ("upstream", "--home", tmp_path),
        ("manifest", "--template", tmp_path / "none.json"),
    ):
        result = simulator(*arguments)
        assert result.returncode == 2
        assert result.stderr.startswith("error: ")
        assert len(result.stderr.splitlines()) == 1
        assert str(tmp_path) in result.stderr
