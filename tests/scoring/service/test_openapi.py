import subprocess
import sys
from pathlib import Path

import pytest

from tests.places import ROOT
from tests.scoring.service.running import running

pytestmark = pytest.mark.whole

KEY = "a-key-for-all-checks"
FLEET = ROOT / "models" / "fleet.onnx"


@pytest.mark.parametrize("keyed", [False, True], ids=["open", "keyed"])
def test_no_check_of_schemathesis_finds_a_fault(tmp_path, keyed: bool) -> None:
    command = [str(Path(sys.executable).parent / "schemathesis"), "run", "--checks", "all", "--max-examples", "20"]
    command += ["--seed", "1", "--no-color", "--generation-database", "none"]
    if keyed:
        command += ["--header", f"Authorization: Bearer {KEY}"]
    with running(FLEET, tmp_path, SCORING_KEYS=KEY if keyed else "") as service:
        found = subprocess.run(
            [*command, f"{service.url}/openapi.json"],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=240,
            check=False,
        )
    assert found.returncode == 0, found.stdout
    assert "No issues found" in found.stdout
    assert "failed" not in service.log()
