"""A model's file is ONNX and nothing else: JavaScript's runtimes, of Node and of browsers, answer as Python's does."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from scoring.model.file import ModelFile
from scoring.model.model import Model
from scoring.model.signature import GOLDEN_KEY, Golden
from tests.places import ROOT

pytestmark = pytest.mark.whole

MODELS = ROOT / "models"
NODE = ROOT / "tests/node"


@pytest.mark.parametrize("package", ["onnxruntime-node", "onnxruntime-web"])
@pytest.mark.parametrize("name", ["fd003", "fleet"])
def test_golden_windows_are_reproduced_in_javascript(package: str, name: str, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("no Node.js is here: apt-get install nodejs npm")
    if not (NODE / "node_modules" / package).exists():
        pytest.skip(f"{package} is not here: make clients")
    path = MODELS / f"{name}.onnx"
    golden = Golden.from_json(ModelFile.read(path.read_bytes(), name).metadata[GOLDEN_KEY])
    windows = [None if np.isnan(value) else value for value in golden.windows.ravel().tolist()]
    (tmp_path / "input.json").write_text(json.dumps({"windows": windows, "shape": golden.windows.shape}))
    done = subprocess.run(
        ["node", "golden.mjs", package, path, tmp_path / "input.json"],
        cwd=NODE,
        check=True,
        capture_output=True,
        text=True,
    )
    answers = json.loads(done.stdout)
    here = Model.load(path).predict(golden.windows)
    for output in golden.outputs:
        expected = getattr(here, output)
        found = np.array(answers[output], dtype=np.float32).reshape(expected.shape)
        np.testing.assert_array_equal(found, expected)
