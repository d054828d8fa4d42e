"""The wheel, installed: what is in it works without a checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoring.version import VERSION
from tests.places import ROOT

pytestmark = pytest.mark.whole

PACKAGES = ("demo", "modules", "scoring", "simulator", "training", "turbofan")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Iterator[Path]:
    """A new environment's programs: the wheel is installed there, and what it needs is this environment's."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    pip = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    # A path only: what is installed for editing here is not followed.
    (packages / "needs.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return home / "bin"


def run(program: Path, *arguments: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program), *map(str, arguments)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def test_it_holds_what_is_used_and_nothing_else(wheel) -> None:
    assert wheel.name == f"turbofan_edge-{VERSION}-py3-none-any.whl"
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert {name.partition("/")[0] for name in names} == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    others = {name for name in names if not name.endswith((".py", "py.typed"))}
    models = {f"simulator/files/{path.relative_to(ROOT)}" for path in (ROOT / "models").iterdir()}
    assert others == models | {
        "scoring/azureml/conda.yml",
        "scoring/azureml/conda-batch.yml",
        "simulator/files/.env.example",
        "simulator/files/deployment.archive.template.json",
        "simulator/files/deployment.template.json",
        "simulator/files/modules/avrowriter/module.json",
        "simulator/files/modules/rulclassifier/module.json",
        "simulator/files/modules/telemetrysource/module.json",
    }


def test_its_code_is_its_own(installed, tmp_path) -> None:
    told = run(installed / "python", "-c", f"import {', '.join(PACKAGES)}; print(simulator.__file__)", cwd=tmp_path)
    assert told.stdout.startswith(str(installed.parent)), told.stderr
    told = run(installed / "turbofan", "--version", cwd=tmp_path)
    assert told.stdout == f"turbofan-edge {VERSION}\n"


def test_a_quick_demo_runs_from_it(installed, tmp_path) -> None:
    arguments = ("--quick", "--rate", 0, "--data", tmp_path, "--out", tmp_path / "out")
    ended = run(installed / "turbofan", "demo", *arguments, cwd=tmp_path, COLUMNS="80")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "nothing was lost" in ended.stdout


def test_a_manifest_is_made_of_the_template_that_ships(installed, tmp_path) -> None:
    ended = run(installed / "turbofan", "manifest", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.endswith("set it in the environment or in .env\n")
    files = Path(run(installed / "turbofan", "--files", cwd=tmp_path).stdout.strip())
    (tmp_path / ".env").write_bytes((files / ".env.example").read_bytes())
    ended = run(installed / "turbofan", "manifest", cwd=tmp_path, CONTAINER_REGISTRY="pumps.azurecr.io")
    assert ended.returncode == 0, ended.stderr
    modules = json.loads(ended.stdout)["modulesContent"]["$edgeAgent"]["properties.desired"]["modules"]
    image = modules["rulclassifier"]["settings"]["image"]
    assert image == f"pumps.azurecr.io/turbofan-edge:{VERSION}-amd64"


def test_files_are_scored_by_a_model_that_ships(installed, tmp_path) -> None:
    files = Path(run(installed / "turbofan", "--files", cwd=tmp_path).stdout.strip())
    made = run(installed / "turbofan", "engines", "--out", tmp_path, "--train", 1, "--test", 1, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    arguments = ("test_FD003.txt", "out.csv", "--model", files / "models" / "fd003.onnx")
    ended = run(installed / "turbofan", "batch", *arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 1 + len((tmp_path / "test_FD003.txt").read_text().splitlines())
