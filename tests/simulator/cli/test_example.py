"""The module in ten lines, run as docs/simulator.md says."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from simulator.agent.manifest import read_json
from simulator.cloud.upstream import FILE, received
from tests.simulator.agent.test_manifest import validate
from tests.simulator.conftest import PATIENCE, ROOT, simulator

MANIFEST = "examples/ten_line_manifest.json"


def test_its_manifest_is_one_that_azure_takes():
    validate(read_json(ROOT / MANIFEST), "azure-iot-edge-deployment-2.0.json")


@pytest.mark.whole
def test_what_is_posted_comes_upstream_in_capital_letters(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", MANIFEST, "--home", str(tmp_path), "--inject-into", "shouting"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        process.stdout.readline()
        url = re.search(r"http\S+", process.stdout.readline())[0]
        body = json.dumps({"inputName": "any", "data": "hello"}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            assert answer.status == 200
        follow = subprocess.Popen(
            [sys.executable, "-m", "simulator", "upstream", "--home", str(tmp_path), "--follow"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert re.fullmatch(r"1 \S+Z edge-device/shouting/loud HELLO\n", follow.stdout.readline())
        follow.terminate()
        follow.communicate()
        status = simulator("status", "--home", tmp_path)
        assert json.loads(status.stdout)["modules"]["shouting"]["state"] == "running"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert [message.output for message in received(tmp_path / FILE)] == ["loud"]
