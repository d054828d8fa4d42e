"""The images that `make images` has built here."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scoring.version import VERSION
from simulator.agent.template import ARCHITECTURES

REGISTRY = "localhost"


class Image:
    """An image for one architecture, on this machine; the modules', or another."""

    def __init__(self, architecture: str, name: str = "turbofan-edge") -> None:
        self.architecture = architecture
        self.name = f"{REGISTRY}/{name}:{VERSION}-{architecture}"

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
        return subprocess.run(
            ["podman", "run", "--rm", *ALONE, *STRICT, *flags, self.name, *command],
            check=False,
            capture_output=True,
            text=True,
        )


ALONE = ("--network", "none")
STRICT = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")

# Where this is set, images of these architectures must be here, and no others are looked at.
DEMANDED = os.environ.get("IMAGE_ARCHITECTURES", "").split()


def here(architecture: str, name: str = "turbofan-edge") -> Image:
    """An image that must be here, or may."""
    image = Image(architecture, name)
    missing = image.missing()
    if missing is not None:
        (pytest.fail if architecture in DEMANDED else pytest.skip)(f"no image for {architecture} is here: {missing}")
    return image


@pytest.fixture(params=DEMANDED or ARCHITECTURES)
def image(request: pytest.FixtureRequest) -> Image:
    return here(request.param)


@pytest.fixture(params=[each for each in DEMANDED or ARCHITECTURES if each != "arm32v7"])
def service_image(request: pytest.FixtureRequest) -> Image:
    return here(request.param, "turbofan-edge-service")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Image]:
    """An image for Docker's client, which speaks to podman: its images are these, and no Docker engine is needed."""
    if shutil.which("docker") is None:
        pytest.skip("no Docker client is here: apt-get install docker.io")
    image = here("amd64")
    socket = f"unix://{tmp_path / 'docker.sock'}"
    monkeypatch.setenv("DOCKER_HOST", socket)
    with subprocess.Popen(["podman", "system", "service", "--time=0", socket], stderr=subprocess.DEVNULL) as service:
        try:
            while subprocess.run(["docker", "version"], check=False, capture_output=True).returncode:
                assert service.poll() is None
                time.sleep(0.1)
            yield image
        finally:
            service.terminate()
