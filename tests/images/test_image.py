"""What is in an image, and what is not."""

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks.digest import digest
from scoring.model.file import ModelFile
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, Golden
from tests.images.conftest import VERSION, Image
from tests.places import ROOT

pytestmark = pytest.mark.whole

MODELS = sorted((ROOT / "models").glob("*.onnx"))
# With the base.
MEGABYTES = {"amd64": 300, "arm64v8": 300, "arm32v7": 240}
OCI = {"amd64": "amd64", "arm64v8": "arm64", "arm32v7": "arm"}


def test_it_says_what_it_is(image: Image) -> None:
    found = image.inspect()
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in found["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("turbofan-edge", VERSION, "MIT")
    assert re.fullmatch("[0-9a-f]{40}|unknown", labels["revision"])
    assert found["Architecture"] == OCI[image.architecture]
    assert found["Config"]["User"] == "1000:1000"
    assert list(found["Config"]["Volumes"]) == ["/state"]
    assert "modules.edge.host.health" in str(found["HealthCheck" if "HealthCheck" in found else "Healthcheck"])


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


INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps(sorted([each.name.lower(), each.version] for each in distributions(path=["/app/packages"]))))
"""


def test_the_bill_of_what_python_runs_is_what_is_installed_with_licences_edges_and_the_model(image: Image) -> None:
    bill = json.loads(image.run("cat", "/usr/share/sbom/python.cdx.json").stdout)
    by_type = defaultdict(list)
    for each in bill["components"]:
        by_type[each["type"]].append(each)
    installed = json.loads(image.run("python3", "-c", INSTALLED).stdout)
    assert sorted([each["name"].lower(), each["version"]] for each in by_type["library"]) == installed
    assert len({name for name, _ in installed}) == len(installed) > 5
    assert not [each["name"] for each in bill["components"] if not each.get("licenses")]
    (model,) = by_type["machine-learning-model"]
    sums = image.run("sha256sum", "/app/models/fleet.onnx").stdout.split()[0]
    assert (model["name"], model["version"]) == ("fleet", sums[:12])
    assert model["hashes"] == [{"alg": "SHA-256", "content": sums}]
    application = bill["metadata"]["component"]
    assert (application["name"], application["version"]) == ("turbofan-edge", VERSION)
    edges = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}
    assert "paho-mqtt==1.6.1" in edges["azure-iot-device==2.14.0"]
    # From the application everything is reached.
    reached, ahead = set(), [application["bom-ref"]]
    while ahead:
        each = ahead.pop()
        if each not in reached:
            reached.add(each)
            ahead += edges[each]
    assert reached == {application["bom-ref"], *(each["bom-ref"] for each in bill["components"])}


def test_every_shipped_model_answers_there_with_the_same_bytes_as_here(image: Image, tmp_path) -> None:
    windows = np.concatenate([golden_windows(path) for path in MODELS])
    np.save(tmp_path / "windows.npy", windows)
    shutil.copy(ROOT / "benchmarks" / "digest.py", tmp_path)
    tmp_path.chmod(0o755)
    flags = ("--volume", f"{ROOT / 'models'}:/models:ro", "--volume", f"{tmp_path}:/here:ro")
    models = [f"/models/{path.name}" for path in MODELS]
    # A model that does not reproduce its golden windows is not loaded.
    done = image.run("python3", "/here/digest.py", "/here/windows.npy", *models, flags=flags)
    assert done.returncode == 0, done.stderr
    version, *found = done.stdout.splitlines()
    assert found == [f"{path.stem} {digest(Model.load(path), windows, 64)}" for path in MODELS]
    assert version.startswith("onnxruntime 1.21,") == (image.architecture == "arm32v7")
    assert "Schema error" not in done.stderr


def golden_windows(path: Path) -> np.ndarray:
    return Golden.from_json(ModelFile.read(path.read_bytes(), path.name).metadata[GOLDEN_KEY]).windows


def test_a_broken_model_is_refused_in_one_line(image: Image, tmp_path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    tmp_path.chmod(0o755)
    flags = ("--volume", f"{tmp_path}:/models:ro", "--env", "MODEL_PATH=/models/broken.onnx")
    done = image.run(flags=flags)
    assert done.returncode == 2
    told = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("<")]
    lines = [line for line in told if "[INF]" not in line]
    assert len(lines) == 1
    assert "/models/broken.onnx is no ONNX file, or a damaged one" in lines[0]


@pytest.mark.parametrize("module", ["rulclassifier", "avrowriter", "telemetrysource"])
def test_it_runs_any_of_the_modules(image: Image, module: str) -> None:
    done = image.run(
        flags=("--env", f"MODULE={module}", "--env", "STATE_DIR=/nowhere", "--env", "TELEMETRY_PATH=/none")
    )
    assert done.returncode == 2, done.stderr
    assert "/nowhere" in done.stdout + done.stderr or "/none" in done.stdout + done.stderr
