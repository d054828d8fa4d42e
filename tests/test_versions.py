"""One state folder, served by an earlier version and by this one in turns: up and down."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.deployment import Deployment, answered, by_output
from tests.places import ROOT

pytestmark = pytest.mark.whole

EARLIER = "a90ede20e1932aad8f64db2a857014e24e8b8c54"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory) -> Path:
    """The modules of the version before models told curves and messages named schemas."""
    found = subprocess.run(
        ["git", "archive", EARLIER, "modules", "scoring", "models"], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.skip("an earlier version is not in this clone; `git fetch --unshallow` brings it")
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=BytesIO(found.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


async def test_a_module_goes_up_a_version_and_down_again_and_answers_each_reading_once(tmp_path, earlier) -> None:
    deployment = Deployment(tmp_path)
    # The folder stands where both find it; which one starts is what the link names.
    code = tmp_path / "code"
    code.symlink_to(earlier)
    environment = {"rulclassifier": {"PYTHONPATH": str(code), "PYTHONSAFEPATH": "1"}}
    async with deployment.runtime(rate=100.0, environment=environment) as runtime:
        classifier = runtime.agent["rulclassifier"]
        for count, version in ((20, ROOT), (70, earlier), (120, ROOT)):
            await runtime.upstream.wait_for(count)
            pid = classifier.status.pid
            code.unlink()
            code.symlink_to(version)
            classifier.kill(signal.SIGKILL)
            await classifier.until(lambda status, pid=pid: status.state == "running" and status.pid != pid)
        messages = await answered(runtime, len(deployment))
    predictions = by_output(messages, "predictions").values()
    records = {(each["ConnectionDeviceId"], each["CycleTime"]): each for each in map(_body, predictions)}
    assert len(predictions) == len(deployment)
    assert records == deployment.expected()
    served = ["iothub-message-schema" in each.system for each in sorted(predictions, key=lambda each: each.seq)]
    # Both have had their turns.
    assert served[0] is False
    assert served[-1] is True
    assert {True, False} == set(served)


def _body(message) -> dict:
    return json.loads(message.body)


# The same of both versions, in a process of its own: the first of what it says is where the code stands.
SERVE = """
import json, pathlib, sys
import scoring
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Sender
classifier = Classifier(Model(pathlib.Path(sys.argv[1]).read_bytes()))
names = classifier.model.signature.field_names
rows = [{**dict.fromkeys(names, 100.0 + cycle), "CycleTime": cycle} for cycle in range(1, 9)]
readings = classifier.parser.parse(json.dumps(rows).encode(), Sender("Client_001"))
print(json.dumps([scoring.__file__, *(answer.record() for answer in classifier.score(readings))]))
"""


def served(model: Path, code: Path) -> list[dict]:
    told = subprocess.run(
        [sys.executable, "-P", "-c", SERVE, str(model)],
        env={**os.environ, "PYTHONPATH": str(code)},
        capture_output=True,
        check=True,
    )
    where, *records = json.loads(told.stdout)
    assert Path(where).is_relative_to(code)
    return records


def test_an_earlier_version_serves_todays_model_and_says_the_same_of_what_it_knows(earlier) -> None:
    model = ROOT / "models/fleet.onnx"
    for before, now in zip(served(model, earlier), served(model, ROOT), strict=True):
        assert before == {name: now[name] for name in before}
        assert set(now) - set(before) == {"RulMiddle"}


def test_this_version_serves_an_earlier_ones_model_and_says_the_same(earlier) -> None:
    model = earlier / "models/fleet.onnx"
    assert served(model, ROOT) == served(model, earlier)
