"""Azure ML's own inference server, in an environment of its own: its pins do not go with the project's."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tests.places import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def environment() -> Path:
    """The folder of programs of an environment that holds what is locked; made where there is none, once."""
    identity = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / "out" / "azureml" / identity
    ready = folder / "ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        # Tests may run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            uv = str(Path(sys.executable).parent / "uv")
            subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
            install = [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), "--require-hashes"]
            subprocess.run([*install, "--requirement", str(REQUIREMENTS)], check=True)
            ready.touch()
    return folder / "bin"


def command(port: int) -> list[str]:
    """The command that serves scoring/azureml/score.py, as its documentation has it."""
    return [str(environment() / "azmlinfsrv"), "--entry_script", "scoring/azureml/score.py", "--port", str(port)]


def variables(model_folder: Path) -> dict[str, str]:
    """What Azure ML sets for a deployment with this model."""
    return {**os.environ, "AZUREML_MODEL_DIR": str(model_folder)}
