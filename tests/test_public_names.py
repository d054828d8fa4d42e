"""What the packages offer by their own names, and what it costs to ask for one."""

import importlib
import os
import subprocess
import sys
import tomllib

import pytest

from scoring.version import VERSION
from tests.places import ROOT

PACKAGES = ("scoring", "training", "modules.edge", "simulator")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_name_is_what_its_package_says(package: str) -> None:
    offered = importlib.import_module(package)
    names = [name for name in offered.__all__ if name != "__version__"]
    assert sorted(names) == dir(offered)
    for name in names:
        # Not a room of the same name, which an import would put in its place.
        assert type(getattr(offered, name)).__name__ != "module"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_a_package_does_not_have_is_refused_by_name(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = importlib.import_module(package).nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_loads_nothing_that_nobody_asked_for(package: str) -> None:
    heavy = {"numpy", "onnxruntime", "sklearn", "aiohttp", "azure", "paho"}
    program = f"import sys, {package}; print(*({heavy} & sys.modules.keys()))"
    told = subprocess.run(
        [sys.executable, "-c", program], env=os.environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (told.stdout, told.stderr) == ("\n", "")


def test_the_version_stands_in_one_place() -> None:
    assert importlib.import_module("scoring").__version__ == VERSION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "scoring/version.py"
