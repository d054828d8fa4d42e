"""The images that `make images` has built here."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from simulator.manifest import ARCHITECTURES

ROOT = Path(__file__).parents[2]
REGISTRY = "localhost"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


class Image:
    """An image for one architecture, on this machine."""

    def __init__(self, architecture: str) -> None:
        self.architecture = architecture
        self.name = f"{REGISTRY}/turbofan-edge:{VERSION}-{architecture}"

    def missing(self) -> str | None:
        """The command that would bring it, if it is not here."""
        if shutil.which("podman") is None:
            return "apt-get install podman buildah"
        there = subprocess.run(["podman", "image", "exists", self.name], check=False, capture_output=True)
        return f"make images ARCH={self.architecture}" if there.returncode else None

    def inspect(self) -> dict:
        found = subprocess.run(["podman", "image", "inspect", self.name], check=True, capture_output=True)
        return json.loads(found.stdout)[0]

    def run(self, *command: str, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in the image as strictly as the manifest has it run."""
        strict = (
            "--rm",
            "--network",
            "none",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
        )
        return subprocess.run(
            ["podman", "run", *strict, *flags, self.name, *command],
            check=False,
            capture_output=True,
            text=True,
        )


# Where this is set, images of these architectures must be here, and no others are looked at.
DEMANDED = os.environ.get("IMAGE_ARCHITECTURES", "").split()


@pytest.fixture(params=DEMANDED or ARCHITECTURES)
def image(request: pytest.FixtureRequest) -> Image:
    image = Image(request.param)
    missing = image.missing()
    if missing is not None:
        (pytest.fail if DEMANDED else pytest.skip)(f"no image for {request.param} is here: {missing}")
    return image
