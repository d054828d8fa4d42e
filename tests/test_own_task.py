"""A machine of one's own, from its tables to predictions upstream, without renaming a column: examples/pumps.toml."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from demo.deployment import deployment
from scoring.__main__ import main as scoring
from scoring.model.model import Model
from scoring.service.app import Service
from scoring.service.process import served
from simulator.runtime import Runtime
from tests.deployment import answered
from tests.places import ROOT

pytestmark = pytest.mark.whole

Answers = dict[tuple[str, int], float]


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, check=True, timeout=250)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With the tables, and the model that `training fit` made of them."""
    folder = tmp_path_factory.mktemp("pumps")
    run("examples/pumps.py", folder)
    task = ("--task", "examples/pumps.toml", "--data", folder, "--subset", "pumps")
    run("-m", "training", "fit", *task, "--out", folder / "pumps.onnx")
    return folder


@pytest.fixture(scope="module")
def expected(folder) -> Answers:
    """What `batch` answers of each row of the test table."""
    model, written = folder / "pumps.onnx", folder / "predictions.ndjson"
    assert scoring(["batch", str(folder / "test_pumps.csv"), str(written), "--model", str(model)]) == 0
    found = answers(written.read_text().splitlines())
    with (folder / "test_pumps.csv").open(newline="") as file:
        assert set(found) == {(row["Pump"], int(row["Hour"])) for row in csv.DictReader(file)}
    return found


def answers(lines: list[str]) -> Answers:
    records = map(json.loads, lines)
    return {(each["ConnectionDeviceId"], each["CycleTime"]): each["PredictedRul"] for each in records}


async def test_the_service_answers_the_table_as_batch_does(folder, expected) -> None:
    service = Service(Model.load(folder / "pumps.onnx"))
    body, head = (folder / "test_pumps.csv").read_bytes(), {"Content-Type": "text/csv"}
    async with (
        served(service, "127.0.0.1", 0) as url,
        aiohttp.ClientSession(url) as session,
        session.post("/score", data=body, headers=head) as answer,
    ):
        assert answers((await answer.text()).splitlines()) == expected


async def test_the_modules_answer_the_table_as_batch_does(folder, expected) -> None:
    content = deployment(folder / "pumps.onnx", folder / "test_pumps.csv", folder / "state", 0)
    async with Runtime(content, folder / "home") as runtime:
        messages = await answered(runtime, len(expected))
    assert answers([each.body.decode() for each in messages if each.output == "predictions"]) == expected


def test_two_models_are_compared_on_the_table(folder, capsys) -> None:
    model, table = str(folder / "pumps.onnx"), str(folder / "test_pumps.csv")
    assert scoring(["compare", model, model, table, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] > 1000
