import os
import subprocess
import sys

import pytest

from scoring.model.quiet_stderr import without_schema_errors

LINE = (
    "Schema error: Trying to register schema with name Abs (domain:  version: 1) from file ./onnx/defs/math/old.cc "
    "line 2729, but it is already registered from file ./onnx/defs/math/old.cc line 2729\n\n"
)


def test_debians_schema_errors_are_not_shown_and_all_else_is(capfd) -> None:
    with without_schema_errors():
        os.write(2, b"a warning\n" + LINE.encode() * 567 + b"an error\n\nthe end\n")
    assert capfd.readouterr().err == "a warning\nan error\n\nthe end\n"


def test_what_was_written_before_a_failure_is_shown(capfd) -> None:
    def fail() -> None:
        with without_schema_errors():
            os.write(2, LINE.encode() + b"real\n")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert capfd.readouterr().err == "real\n"


def test_it_works_without_a_place_for_temporary_files() -> None:
    imports = "from scoring.model.quiet_stderr import without_schema_errors as quiet"
    script = f"{imports}\nwith quiet(): import os; os.write(2, b'real')"
    environment = {**os.environ, "TMPDIR": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, env=environment)
    assert done.stderr == b"real"
