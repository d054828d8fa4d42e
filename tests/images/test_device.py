"""The image on an edge device: the simulator's runtime starts it from the generated manifest, as edgeAgent would."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from demo.deployment import deployment
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Telemetry
from scoring.wire.cmapss import Trajectories, read_trajectories, write_trajectories
from simulator import shipped
from simulator.agent.containers import find_program
from simulator.engines.cmapss import write_subset
from simulator.runtime import Runtime
from tests.archives import archived
from tests.deployment import answered, by_output
from tests.images.conftest import REGISTRY, Image
from tests.places import ROOT

pytestmark = pytest.mark.whole

READINGS = 500
# Emulated, a module takes half a minute to start.
PATIENCE = 900
# The last digit of what is sent rounded.
UNITS = {"PredictedRul": 0.01, "RulLow": 0.01, "RulHigh": 0.01, "Probabilities": 1e-6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """500 readings of simulated engines, which moduleuser may read, and the default model."""
    for each in (tmp_path, *tmp_path.parents[:2]):
        each.chmod(0o755)
    shutil.copy(ROOT / "models" / "fleet.onnx", tmp_path)
    _, test, *_ = write_subset(tmp_path / "engines", train=1, test=8)
    engines = read_trajectories(test)
    first = np.sort(np.lexsort((engines.units, engines.cycles))[:READINGS])
    some = Trajectories(engines.units[first], engines.cycles[first], engines.values[first])
    write_trajectories(tmp_path / "test_FD003.txt", some)
    return tmp_path


@pytest.mark.timeout(PATIENCE)
async def test_it_answers_as_the_host_does_loses_nothing_when_killed_and_ends_when_told(
    image: Image, folder: Path
) -> None:
    await answers_as_the_host(image, folder, "podman")


@pytest.mark.timeout(PATIENCE)
async def test_dockers_client_runs_it_as_podman_does(docker: Image, folder: Path) -> None:
    await answers_as_the_host(docker, folder, "docker")


async def answers_as_the_host(image: Image, folder: Path, program: str) -> None:
    content = deployment(
        folder / "fleet.onnx",
        folder / "test_FD003.txt",
        folder / "state",
        rate=100.0,
        template_path=shipped.ARCHIVE_TEMPLATE,
        architecture=image.architecture,
        registry=REGISTRY,
    )
    async with Runtime(content, folder / "home", containers=find_program(program), backoff=0.1) as runtime:
        classifier = runtime.agent["rulclassifier"]
        await runtime.upstream.arrived(READINGS // 4)
        classifier.kill()
        await classifier.until(lambda status: status.restarts == 1 and status.state == "running")
        messages = await answered(runtime, READINGS)
        archive = await archived(folder / "state" / "avrowriter" / "archive", READINGS, PATIENCE)
        health = await exec_in(classifier.container, "python3", "-m", "modules.edge.host.health")
        await classifier.stop()
        assert classifier.status.exit_code == 0, classifier.text(20)
    found = {
        (record["ConnectionDeviceId"], record["CycleTime"]): record
        for record in (json.loads(each.body) for each in by_output(messages, "predictions").values())
    }
    expected = on_host(folder)
    assert health == 0
    kept = [json.loads(each["Body"]) for each in archive]
    assert {(each["ConnectionDeviceId"], each["CycleTime"]): each["PredictedRul"] for each in kept} == {
        key: record["PredictedRul"] for key, record in found.items()
    }
    assert found.keys() == expected.keys()
    for key, record in expected.items():
        assert close(found[key], record), (found[key], record)


async def exec_in(container: str, *command: str) -> int:
    # By Docker's API a command leaves its supervisor behind for five minutes.
    process = await asyncio.create_subprocess_exec("podman", "exec", container, *command, stdout=subprocess.DEVNULL)
    return await process.wait()


def on_host(folder: Path) -> dict[tuple[str, int], dict]:
    engines = read_trajectories(folder / "test_FD003.txt")
    classifier = Classifier(Model.load(folder / "fleet.onnx"))
    readings = [
        Telemetry(f"Client_{unit:03d}", int(cycle), row.astype(np.float32))
        for unit, cycle, row in zip(engines.units, engines.cycles, engines.values, strict=True)
    ]
    return {(each.telemetry.engine, each.telemetry.cycle): each.record() for each in classifier.score(readings)}


def close(found: dict, expected: dict) -> bool:
    """Whether two records are the same but for 1e-5, after which either may be rounded to the other side."""
    return found.keys() == expected.keys() and all(
        found[key] == pytest.approx(value, rel=1e-5, abs=UNITS.get(key, 0.0) + 1e-5)
        if key in UNITS
        else found[key] == value
        for key, value in expected.items()
    )
