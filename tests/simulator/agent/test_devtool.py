"""The IoT Edge dev tool makes the same manifest of the project's template and of the same .env."""

import json
import os
import shutil
import subprocess

import pytest

from simulator.agent.manifest import desired
from simulator.agent.template import ARCHITECTURES, Template
from tests.simulator.conftest import ROOT

pytestmark = pytest.mark.whole

TOOL = ROOT / "out/devtool/bin/iotedgedev"
# What has a meaning to python-dotenv.
DOTENV = """
export CONTAINER_REGISTRY = "registry.example.com" # a comment
CONTAINER_REGISTRY_USERNAME='a#b'
CONTAINER_REGISTRY_PASSWORD=p=w$$ord
BASE=/srv
MODEL_DIR=${BASE}/models
MODEL_FILE=fleet.onnx

STATE_DIR="/srv/with blanks"
TELEMETRY_DIR=/srv/telemetry
TELEMETRY_FILE=test_FD003.txt
EXTRA=extra
"""
IMAGES = {
    "one": "${MODULES.rulclassifier.arm64v8}",
    "debugged": "${MODULES.rulclassifier.debug}",
    "debuggedthere": "${MODULES.rulclassifier.arm32v7.debug}",
    "elsewhere": "${MODULEDIR<elsewhere/other>}",
    "elsewhereone": "${MODULEDIR<elsewhere/other>.arm64v8}",
    "elsewheredebugged": "${MODULEDIR<elsewhere/other>.debug}",
    "elsewherethere": "${MODULEDIR<elsewhere/other>.amd64.debug}",
}
"""Each way to name an image of one's own."""


@pytest.fixture
def project(tmp_path):
    """The project's template and modules, with a .env, and a route that has names without braces."""
    if not TOOL.exists():
        pytest.skip("the IoT Edge dev tool is not here: make devtool")
    shutil.copytree(ROOT / "modules", tmp_path / "modules")
    content = json.loads((ROOT / "deployment.template.json").read_text())
    routes = content["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]
    routes["$EXTRA"] = "FROM /messages/modules/$EXTRA/* WHERE $none > 1 INTO $upstream"
    agent = content["modulesContent"]["$edgeAgent"]["properties.desired"]
    for name, image in IMAGES.items():
        agent["modules"][name] = {**agent["modules"]["rulclassifier"], "settings": {"image": image}}
    described = json.loads((tmp_path / "modules/rulclassifier/module.json").read_text())
    described["image"]["repository"] += "/With-Capitals"
    described["image"]["tag"]["platforms"] |= {f"{each}.debug": "Dockerfile.debug" for each in ARCHITECTURES}
    (tmp_path / "modules/rulclassifier/module.json").write_text(json.dumps(described))
    (tmp_path / "elsewhere/other").mkdir(parents=True)
    (tmp_path / "elsewhere/other/module.json").write_text(json.dumps(described))
    (tmp_path / "deployment.template.json").write_text(json.dumps(content))
    (tmp_path / ".env").write_text(DOTENV)
    settings = tmp_path / "home/.iotedgedev/setting.ini"
    settings.parent.mkdir(parents=True)
    settings.write_text("[DEFAULT]\nfirsttime = no\ncollect_telemetry = no\n")
    return tmp_path


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_manifest_is_the_dev_tools(project, architecture):
    command = [str(TOOL), "solution", "genconfig", "-f", "deployment.template.json", "-P", architecture]
    environment = {"PATH": os.environ["PATH"], "HOME": str(project / "home"), "LC_ALL": "C.UTF-8"}
    made = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    theirs = json.loads((project / f"config/deployment.{architecture}.json").read_text())
    ours = Template(project / "deployment.template.json", architecture, {}).manifest()
    assert ours == theirs
    assert "extra" in desired(ours, "$edgeHub")["routes"]
