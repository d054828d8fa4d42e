"""From raw readings to the simulated edge, as docs/data.md has it: look at them, train, deploy, watch."""

import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from demo.deployment import deployment
from modules.telemetrysource.replay import Replay
from scoring.__main__ import main as scoring
from scoring.model.model import Model
from scoring.service.app import Service
from scoring.service.process import served
from scoring.wire.recording import read_table
from simulator.runtime import Runtime
from tests.deployment import answered
from tests.places import ROOT

pytestmark = pytest.mark.whole


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, check=True, timeout=250, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With the readings, and the model that `inspect` and `fit` made of them."""
    folder = tmp_path_factory.mktemp("compressors")
    run("examples/compressors.py", folder)
    run("-m", "training", "inspect", folder / "readings.csv", "--out", folder / "task.toml")
    told = run(
        *("-m", "training", "fit", "--task", folder / "task.toml", "--readings", folder / "readings.csv"),
        *("--out", folder / "model.onnx", "--candidate", "network-half-the-epochs"),
    )
    assert "51 readings came again for a cycle that had one; the last one counts" in told
    assert "machines were removed" in told
    return folder


def batch(folder: Path, given: Path) -> list[dict]:
    """What `batch` answers of each reading, in the file's order."""
    written = folder / f"{given.stem}-answered.ndjson"
    assert scoring(["batch", str(given), str(written), "--model", str(folder / "model.onnx")]) == 0
    return [json.loads(line) for line in written.read_text().splitlines()]


def test_the_model_is_called_by_its_task_and_tells_most_machines_that_it_had_not_seen(folder) -> None:
    signature = Model.load(folder / "model.onnx").signature
    assert (signature.name, signature.machine, signature.cycle) == ("readings", "Compressor", "Period")
    assert signature.modes == ("bearing", "seal")
    # Of half the epochs, and eight machines.
    assert signature.figures["test"]["macro_f1"] > 0.6
    assert signature.figures["test"]["mode_f1"] > 0.8


async def test_the_service_answers_raw_readings_as_batch_does(folder) -> None:
    expected = batch(folder, folder / "readings.csv")
    service = Service(Model.load(folder / "model.onnx"))
    body, head = (folder / "readings.csv").read_bytes(), {"Content-Type": "text/csv"}
    async with (
        served(service, "127.0.0.1", 0) as url,
        aiohttp.ClientSession(url) as session,
        session.post("/score", data=body, headers=head) as answer,
    ):
        assert [json.loads(line) for line in (await answer.text()).splitlines()] == expected
        async with session.get("/openapi.json") as described:
            record = (await described.json())["components"]["schemas"]["Record"]
    assert record["properties"]["Mode"]["anyOf"][0]["enum"] == ["idle", "loaded"]
    assert "Time" in record["required"]
    assert "Period" not in record["properties"]


async def test_the_modules_answer_raw_readings_as_batch_does(folder) -> None:
    signature = Model.load(folder / "model.onnx").signature
    replay = Replay(read_table(folder / "readings.csv", signature, ""))
    sent = folder / "sent.ndjson"
    readings = [reading for number in range(len(replay)) for reading in replay.at(number)]
    sent.write_bytes(b"\n".join(each.body for each in readings))
    expected = {(each["ConnectionDeviceId"], each["CycleTime"]): each for each in batch(folder, sent)}
    content = deployment(folder / "model.onnx", folder / "readings.csv", folder / "state", 0)
    async with Runtime(content, folder / "home") as runtime:
        messages = await answered(runtime, len({each.message_id for each in readings}))
    assert {each.output for each in messages} <= {"predictions", "alerts"}
    told = [json.loads(each.body) for each in messages if each.output == "predictions"]
    # Of a period with two readings, the answer to the last.
    assert {(each["ConnectionDeviceId"], each["CycleTime"]): each for each in told} == expected
