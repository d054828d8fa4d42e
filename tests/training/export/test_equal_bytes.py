"""The same file answers with the same bytes: whatever is asked beside it, on any processor, in any onnxruntime."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.digest import digest
from benchmarks.windows import sample
from scoring.model.model import Model
from tests.places import ROOT
from tests.training.release.test_fleet import MODELS, NAMES

pytestmark = pytest.mark.whole

OLDEST = ROOT / "out" / "oldest" / "bin" / "python"


@pytest.fixture(scope="module")
def windows(cmapss, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("windows") / "windows.npy"
    np.save(path, sample(cmapss)[::20])
    return path


def digests(command: list[str | Path], windows: Path, names: list[str]) -> tuple[str, list[str]]:
    """What `benchmarks/digest.py` prints under another Python or processor: its first line, and one for each model."""
    done = subprocess.run(
        [*command, ROOT / "benchmarks" / "digest.py", windows, *(MODELS / f"{name}.onnx" for name in names)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    first, *others = done.stdout.splitlines()
    return first, others


def here(windows: Path, names: list[str]) -> list[str]:
    return [f"{name} {digest(Model.load(MODELS / f'{name}.onnx'), np.load(windows), 64)}" for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_answers_do_not_depend_on_how_many_are_asked_for_together(name, windows) -> None:
    model = Model.load(MODELS / f"{name}.onnx")
    asked = np.load(windows)
    expected = digest(model, asked, len(asked))
    for batch in (1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 31, 32, 48, 63, 64):
        assert digest(model, asked, batch) == expected, batch


def test_onnxruntime_1_21_loads_every_model_and_answers_with_the_same_bytes(windows) -> None:
    if not OLDEST.exists():
        pytest.skip("onnxruntime 1.21 is not here: make oldest")
    version, found = digests([OLDEST], windows, NAMES)
    assert version.startswith("onnxruntime 1.21.0,")
    assert found == here(windows, NAMES)


@pytest.mark.timeout(1_800)
def test_a_processor_without_avx_answers_with_the_same_bytes(windows) -> None:
    emulator = shutil.which("qemu-x86_64-static")
    if emulator is None or sys.platform != "linux":
        pytest.skip("no emulator of an older processor is here: apt-get install qemu-user-static")
    _, found = digests([emulator, "-cpu", "Nehalem", sys.executable], windows, ["fd003", "fleet"])
    assert found == here(windows, ["fd003", "fleet"])
