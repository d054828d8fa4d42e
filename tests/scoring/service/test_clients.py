"""Whoever makes clients of the service's description gets some that work."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.scoring.service.running import running

pytestmark = pytest.mark.whole

FLEET = ROOT / "models" / "fleet.onnx"
NODE = ROOT / "tests" / "node"
MADE = ROOT / "out" / "clients"

# The package that was made stands beside it.
ASK = """
import json, sys
from client import Client
from client.api.default import get_live, get_model, score
from client.models import Prediction, Predictions, Record, Refusal, Trajectory, Window

url, given = sys.argv[1:]
record = Record.from_dict(json.loads(given))
rows = [list(json.loads(given).values())[1:]]
window = Window(rows=rows, connection_device_id="a")
trajectory = Trajectory(rows=rows, each=True, connection_device_id="a")
client = Client(url)
answers = score.sync(client=client, body=[record, window, trajectory])
assert [type(each) for each in answers] == [Prediction, Prediction, Predictions], answers
one = score.sync(client=client, body=record)
assert one.rul_class.value == answers[0].rul_class.value
record.cycle_time = 0
refusal = score.sync(client=client, body=record)
assert isinstance(refusal, Refusal)
assert get_live.sync(client=client).status == "live"
assert get_model.sync(client=client).model == "fleet"
print(json.dumps({"answers": [each.to_dict() for each in answers], "reason": refusal.errors[0].reason}))
"""


@pytest.fixture(autouse=True)
def made() -> None:
    if not (MADE / "ready").exists():
        pytest.skip("no makers of clients are here: make clients (needs Node.js: apt-get install nodejs npm)")


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with running(FLEET, tmp_path_factory.mktemp("service")) as service:
        yield service.url


@pytest.fixture
def description(url: str, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    with urllib.request.urlopen(f"{url}/openapi.json") as answer:
        path.write_bytes(answer.read())
    return path


@pytest.fixture
def given(description: Path) -> str:
    """A record, with all the fields of the description's."""
    fields = json.loads(description.read_text())["components"]["schemas"]["Record"]["required"]
    return json.dumps({**dict.fromkeys(fields, 1), "ConnectionDeviceId": "a"})


def run(*command: object, folder: Path) -> str:
    """Run a command, which has to do what it is told; gives what it writes."""
    done = subprocess.run(
        list(map(str, command)), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def posted(url: str, given: str) -> list[dict]:
    """The answers to the record, to a window of it and to a trajectory of it, as they came over the wire."""
    record = json.loads(given)
    message = {name: value for name, value in record.items() if name != "ConnectionDeviceId"}
    window = {"ConnectionDeviceId": "a", "rows": [message]}
    body = json.dumps([record, window, {**window, "each": True}]).encode()
    asked = urllib.request.Request(f"{url}/score", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)


def test_a_client_made_in_python_scores(url, description, given, tmp_path) -> None:
    made = ("--path", description, "--output-path", tmp_path / "client", "--meta", "none")
    told = run(MADE / "bin" / "openapi-python-client", "generate", *made, folder=tmp_path)
    # It makes callers of JSON bodies only.
    assert [line for line in told.splitlines() if "WARNING" in line or line.startswith("Unsupported")] == [
        "WARNING parsing POST /score within default.",
        "Unsupported content type application/x-ndjson",
        "WARNING parsing POST /score within default.",
        "Unsupported content type text/csv",
    ]
    answered = json.loads(run(MADE / "bin" / "python", "-c", ASK, url, given, folder=tmp_path))
    assert answered == {"answers": posted(url, given), "reason": "cycle_out_of_range"}


def test_a_client_made_in_typescript_scores(url, description, given, tmp_path) -> None:
    run(
        "node", NODE / "node_modules/.bin/openapi-typescript", description, "-o", tmp_path / "service.d.ts", folder=NODE
    )
    shutil.copy(NODE / "score.ts", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    options = [
        "--strict",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--lib",
        "es2022,dom",
    ]
    run("node", NODE / "node_modules/.bin/tsc", *options, "score.ts", folder=tmp_path)
    answered = json.loads(run("node", "score.js", url, given, folder=tmp_path))
    assert answered == {"answers": posted(url, given), "reason": "missing_field"}


def test_a_linter_finds_nothing_in_the_description(description) -> None:
    assert run("node", "lint.mjs", description, folder=NODE) == ""
