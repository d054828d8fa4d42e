"""What messages hold is said by schemas, which are only added to."""

import base64
import json

import numpy as np
import pytest
from jsonschema import Draft202012Validator, FormatChecker

from demo.tally import Tally
from modules.edge.contract_files import declared, text
from modules.edge.hub import dead_letter
from modules.rulclassifier import contracts as answers
from modules.telemetrysource import contracts as readings
from modules.telemetrysource.replay import Replay
from scoring.wire.cmapss import Trajectories, write_trajectories
from scoring.wire.recording import read_cmapss
from simulator.cloud.upstream import Upstream
from simulator.message import Message
from tests.places import ROOT
from training.data.dataset import Dataset
from training.data.labels import Classes

CONTRACTS = {each.name: each for module in (dead_letter, answers, readings) for each in declared(module)}
BY_OUTPUT = {"predictions": "prediction", "alerts": "alert", "deadletter": "dead-letter"}
# One message of each kind, of each form that was ever sent: as a module of that time wrote them, never changed since.
SAMPLES = sorted((ROOT / "tests/modules/files/messages").glob("*.jsonl"))


def faults(schema: dict, value: object) -> list[str]:
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [each.message for each in validator.iter_errors(value)]


def samples(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def keys(schema: dict) -> set[tuple[str, str]]:
    """Each property of a body and of a message, with what kind of value it has."""
    found = {("body", name, json.dumps(each.get("type"))) for name, each in schema.get("properties", {}).items()}
    told = schema["$defs"]["properties"]["properties"]
    return found | {("message", name, json.dumps(each.get("type"))) for name, each in told.items()}


def test_the_schemas_in_the_repository_are_those_of_the_declarations() -> None:
    files = {path.stem: path.read_text() for path in (ROOT / "schemas").glob("*.json")}
    assert files == {name: text(each) for name, each in CONTRACTS.items()}, "python -m modules.edge.contract_files"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_messages_of_each_earlier_form_keep_todays_schemas(path) -> None:
    for each in samples(path):
        schema = CONTRACTS[BY_OUTPUT[each["Output"]]].schema()
        assert faults(schema, each["Body"]) == []
        assert faults(schema["$defs"]["properties"], each["Properties"]) == []
        if each["Output"] != "deadletter":
            assert set(each["Body"]) <= set(schema["properties"])


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_schema_is_only_added_to(name) -> None:
    first = json.loads((ROOT / f"tests/modules/files/contracts/{name}.json").read_text())
    now = CONTRACTS[name].schema()
    assert now["$id"] == first["$id"]
    assert keys(now) >= keys(first)
    assert now.get("required", []) == first.get("required", [])


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_the_demo_reads_messages_of_each_earlier_form(path, tmp_path) -> None:
    upstream = Upstream(tmp_path)
    await upstream.open()
    given = samples(path)
    await upstream.accept([_message(each) for each in given])
    await upstream.close()
    cycles = np.arange(1, 301)
    trajectories = Trajectories(np.ones(300, dtype=np.int64), cycles, np.zeros((300, 25)))
    truth = Dataset("FD003", trajectories, 300 - cycles, "")
    tally = Tally(upstream.path, truth, Classes(("F25", "F75", "F150", "Full"), (25, 75, 150)))
    assert tally.read()
    assert (tally.upstream, tally.scored, tally.alerted) == (4, 2, {"Client_001"})
    assert tally.dead_letters == {"not_json": 1}


def _message(sample: dict) -> Message:
    system, body = sample["SystemProperties"], sample["Body"]
    return Message(
        system["iothub-connection-device-id"],
        system["iothub-connection-module-id"],
        sample["Output"],
        base64.b64decode(body) if isinstance(body, str) else json.dumps(body).encode(),
        {
            "messageId": system["messageId"],
            "cid": system["correlationId"],
            "contentType": system["contentType"],
        },
        sample["Properties"],
    )


def test_what_a_replay_sends_keeps_the_schema_that_it_names_and_spoilt_messages_name_none(tmp_path) -> None:
    values = np.full((3, 25), 1.5)
    values[:, 0] = [1, 2, 3]
    write_trajectories(tmp_path / "test_FD003.txt", Trajectories(np.ones(3, dtype=np.int64), np.arange(1, 4), values))
    replay = Replay(read_cmapss(tmp_path / "test_FD003.txt", "Client_"), corrupt_share=1.0)
    found = [reading for n in range(len(replay)) for reading in replay.at(n)]
    schema = CONTRACTS["telemetry"].schema()
    for reading in found:
        message = reading.message()
        properties = dict(message.properties)
        assert properties.pop("$.schema", None) == (None if reading.is_corrupt else schema["$id"])
        assert faults(schema["$defs"]["properties"], properties) == []
        if not reading.is_corrupt:
            assert faults(schema, json.loads(message.body)) == []
    assert any(reading.is_corrupt for reading in found)
