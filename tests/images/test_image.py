"""What is in an image, and what is not."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from scoring.model import Model
from scoring.signature import GOLDEN_KEY, Golden
from tests.images.conftest import ROOT, VERSION, Image

MODELS = sorted((ROOT / "models").glob("*.onnx"))
MEGABYTES = {"amd64": 300, "arm64v8": 300, "arm32v7": 240}
MODELS = sorted((ROOT / "models").glob("*.onnx"))
# With the base.
MEGABYTES = {"amd64": 300, "arm64v8": 300, "arm32v7": 240}
OCI = {"amd64": "amd64", "arm64v8": "arm64", "arm32v7": "arm"}

SCORE_ALL = """
import base64, sys
from pathlib import Path
import numpy as np, onnxruntime
from scoring.model import Model
print(onnxruntime.__version__)
for path in sorted(Path("/models").glob("*.onnx")):
    outputs = Model.load(path).predict(np.load("/windows/windows.npy"))
    both = np.hstack([outputs.probabilities, outputs.rul])
    print(path.name, base64.b64encode(both.astype("<f4").tobytes()).decode())
"""


def test_it_says_what_it_is(image: Image) -> None:
    found = image.inspect()
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in found["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("turbofan-edge", VERSION, "MIT")
    assert re.fullmatch("[0-9a-f]{40}|unknown", labels["revision"])
    assert found["Architecture"] == OCI[image.architecture]
    assert found["Config"]["User"] == "moduleuser"
    assert list(found["Config"]["Volumes"]) == ["/state"]
    assert "modules.edge.health" in str(found["HealthCheck" if "HealthCheck" in found else "Healthcheck"])


def test_it_is_small(image: Image) -> None:
    assert image.inspect()["Size"] / 1e6 <= MEGABYTES[image.architecture]


def test_it_has_only_what_a_device_needs(image: Image) -> None:
    script = (
        "id -un; command -v pip pip3 gcc cc make git curl wget; "
        "for each in pip ensurepip sklearn skl2onnx joblib sympy mpmath scipy training simulator; do "
        'python3 -c "import $each" 2> /dev/null && echo $each; done; '
        "touch /app/written 2> /dev/null && echo writable; touch /state/written && ls /state"
    )
    assert image.run("sh", "-c", script).stdout.split() == ["moduleuser", "written"]


def test_its_bills_of_materials_name_what_it_runs_on(image: Image) -> None:
    components = set()
    for name in ("debian", "python"):
        bill = json.loads(image.run("cat", f"/usr/share/sbom/{name}.cdx.json").stdout)
        assert bill["bomFormat"] == "CycloneDX"
        components |= {(each["name"], each.get("version", "").partition("-")[0]) for each in bill["components"]}
    versions = dict(components)
    runs_on = "import onnxruntime, aiohttp; print(onnxruntime.__version__, aiohttp.__version__)"
    onnxruntime, aiohttp = image.run("python3", "-c", runs_on).stdout.split()
    prefix = "python3-" if image.architecture == "arm32v7" else ""
    # Debian's onnxruntime calls itself 1.21, its package 1.21.0.
    assert versions[f"{prefix}onnxruntime"].startswith(onnxruntime)
    assert versions[f"{prefix}aiohttp"] == aiohttp
    assert versions["azure-iot-device"] == "2.14.0"
    assert "libc6" in versions
    assert "python3-sympy" not in versions


def test_every_shipped_model_says_there_what_it_says_here(image: Image, tmp_path) -> None:
    windows = np.concatenate([golden_windows(path) for path in MODELS])
    np.save(tmp_path / "windows.npy", windows)
    tmp_path.chmod(0o755)
    flags = ("--volume", f"{ROOT / 'models'}:/models:ro", "--volume", f"{tmp_path}:/windows:ro")
    # A model that does not reproduce its golden windows is not loaded.
    done = image.run("python3", "-c", SCORE_ALL, flags=flags)
    assert done.returncode == 0, done.stderr
    version, *lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [path.name for path in MODELS]
    for path, line in zip(MODELS, lines, strict=True):
        here = Model.load(path).predict(windows)
        there = np.frombuffer(base64.b64decode(line.split()[1]), dtype="<f4").reshape(len(windows), -1)
        assert there == pytest.approx(np.hstack([here.probabilities, here.rul]), rel=1e-5, abs=1e-5)
    assert (version == "1.21") == (image.architecture == "arm32v7")
    assert "Schema error" not in done.stderr


def golden_windows(path: Path) -> np.ndarray:
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    return Golden.from_json(metadata[GOLDEN_KEY]).windows


def test_a_broken_model_is_refused_in_one_line(image: Image, tmp_path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    tmp_path.chmod(0o755)
    flags = ("--volume", f"{tmp_path}:/models:ro", "--env", "MODEL_PATH=/models/broken.onnx")
    done = image.run(flags=flags)
    assert done.returncode == 2
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("<")]
    assert len(lines) == 1
    assert "/models/broken.onnx cannot be loaded by onnxruntime" in lines[0]


@pytest.mark.parametrize("module", ["rulclassifier", "telemetrysource"])
def test_it_runs_any_of_the_modules(image: Image, module: str) -> None:
    done = image.run(
        flags=("--env", f"MODULE={module}", "--env", "STATE_DIR=/nowhere", "--env", "TELEMETRY_PATH=/none")
    )
    assert done.returncode == 2, done.stderr
    assert "/nowhere" in done.stdout + done.stderr or "/none" in done.stdout + done.stderr
