"""The service's image: it answers over HTTP what the module answers on edge routes."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from demo.deployment import deployment
from scoring.wire.cmapss import Trajectories, read_trajectories
from simulator.engines.cmapss import write_subset
from simulator.runtime import Runtime
from tests.deployment import answered, by_output
from tests.images.conftest import STRICT, Image
from tests.places import ROOT

pytestmark = pytest.mark.whole

MEGABYTES = 300
PATIENCE = 900


@contextmanager
def served(image: Image) -> Iterator[tuple[str, str]]:
    """The image's service on a free port of this machine; gives its address and its container."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ("/app/models/fleet.onnx", "--port", str(port))
    started = ["podman", "run", "--detach", "--network", "host", *STRICT, image.name, *command]
    container = subprocess.run(started, check=True, capture_output=True, text=True).stdout.strip()
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{url}/health/ready", timeout=60).close()
                break
            except OSError:
                assert inspected(container, "{{.State.Running}}") == "true"
                time.sleep(0.2)
        yield url, container
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "5", container], check=True, capture_output=True)


def inspected(container: str, form: str) -> str:
    found = subprocess.run(
        ["podman", "inspect", "--format", form, container], check=True, capture_output=True, text=True
    )
    return found.stdout.strip()


def scored(url: str, engines: Trajectories) -> list[dict]:
    """What the service answers to each reading, as telemetrysource sends it."""
    names = [f"OperationalSetting{number}" for number in (1, 2, 3)] + [f"Sensor{number}" for number in range(1, 22)]
    lines = [
        {"ConnectionDeviceId": f"Client_{unit:03d}", "CycleTime": int(cycle), **dict(zip(names, row, strict=True))}
        for unit, cycle, row in zip(engines.units, engines.cycles, engines.values[:, -24:].tolist(), strict=True)
    ]
    body = "\n".join(map(json.dumps, lines)).encode()
    asked = urllib.request.Request(f"{url}/score", body, {"Content-Type": "application/x-ndjson"})
    with urllib.request.urlopen(asked, timeout=PATIENCE) as response:
        return [json.loads(line) for line in response]


@pytest.mark.timeout(PATIENCE)
async def test_it_answers_what_the_module_answers_to_the_last_digit(service_image: Image, tmp_path: Path) -> None:
    _, test, *_ = write_subset(tmp_path / "engines", train=1, test=3)
    engines = read_trajectories(test)
    content = deployment(ROOT / "models" / "fleet.onnx", test, tmp_path / "state", rate=0.0)
    async with Runtime(content, tmp_path / "home") as runtime:
        messages = by_output(await answered(runtime, len(engines.units)), "predictions").values()
    module = {(each["ConnectionDeviceId"], each["CycleTime"]): each for each in (json.loads(m.body) for m in messages)}
    with served(service_image) as (url, _):
        answers = scored(url, engines)
    service = {(each["ConnectionDeviceId"], each["CycleTime"]): each for each in answers}
    assert service == module


@pytest.mark.timeout(PATIENCE)
def test_it_is_healthy_while_it_serves_and_ends_when_told(service_image: Image) -> None:
    config = service_image.inspect()["Config"]
    health = service_image.inspect()["HealthCheck" if "HealthCheck" in service_image.inspect() else "Healthcheck"]
    assert "http://127.0.0.1:8080/health/ready" in health["Test"][-1]
    with served(service_image) as (url, container):
        port = url.rpartition(":")[2]
        check = [each.replace("8080", port) for each in health["Test"][1:]]
        assert subprocess.run(["podman", "exec", container, *check], check=False).returncode == 0
        who = subprocess.run(["podman", "exec", container, "id", "-un"], check=True, capture_output=True, text=True)
        assert who.stdout.strip() == "moduleuser"
        assert config["User"] == "1000:1000"
        subprocess.run(["podman", "stop", "--time", "30", container], check=True, capture_output=True)
        assert inspected(container, "{{.State.ExitCode}}") == "0"
        refused = subprocess.run(["podman", "exec", container, *check], check=False, capture_output=True)
        assert refused.returncode != 0


def test_it_is_small_and_its_bill_of_materials_names_what_it_adds(service_image: Image) -> None:
    assert service_image.inspect()["Size"] / 1e6 <= MEGABYTES
    run = ("cat", "/usr/share/sbom/service.cdx.json")
    bill = json.loads(service_image.run(*run[1:], flags=("--entrypoint", run[0])).stdout)
    assert [each["name"] for each in bill["components"]] == ["msgspec"]


@pytest.mark.timeout(PATIENCE)
def test_it_serves_what_it_is_built_with_on_port_8080_where_nothing_else_is_said(service_image: Image) -> None:
    started = ["podman", "run", "--detach", "--network", "none", *STRICT, service_image.name]
    container = subprocess.run(started, check=True, capture_output=True, text=True).stdout.strip()
    try:
        health = service_image.inspect()["HealthCheck" if "HealthCheck" in service_image.inspect() else "Healthcheck"]
        while subprocess.run(
            ["podman", "exec", container, *health["Test"][1:]], check=False, capture_output=True
        ).returncode:
            assert inspected(container, "{{.State.Running}}") == "true"
            time.sleep(0.2)
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "5", container], check=True, capture_output=True)
