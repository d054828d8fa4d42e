"""The command `turbofan`: everything there is, under one name."""

import os
import re
import signal
import subprocess
import sys

import pytest

from scoring.extras import import_for
from scoring.version import VERSION
from simulator.engines.cmapss import write_subset
from tests.places import ROOT
from training.ending import EndedError, ended_by_signals
from turbofan.__main__ import COMMANDS, main


@pytest.mark.whole
@pytest.mark.parametrize("package", ["scoring", "training", "simulator"])
def test_every_command_of_a_package_is_listed_and_no_other(package) -> None:
    told = subprocess.run(
        [sys.executable, "-m", package, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    own = set(re.findall(r"^    ([a-z-]+)\b", told.stdout, re.MULTILINE))
    listed = {name for kind in COMMANDS.values() for name, command in kind.items() if command.package == package}
    assert own == listed


DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_the_docs_name_is_one(path) -> None:
    known = {(command.package, name) for kind in COMMANDS.values() for name, command in kind.items()}
    named = set(re.findall(r"python -m (training|scoring|simulator) ([a-z][a-z-]*)\b", path.read_text()))
    assert named - known == set()


@pytest.mark.parametrize("asked", [[], ["--help"]])
def test_the_list_fits_a_narrow_terminal(asked, capsys) -> None:
    assert main(asked) == 0
    told = capsys.readouterr().out
    for kind, commands in COMMANDS.items():
        assert f"\n{kind}\n" in told
        for name, command in commands.items():
            assert re.search(rf"^  {name} +{re.escape(command.purpose)}$", told, re.MULTILINE)
    assert max(map(len, told.splitlines())) <= 80


@pytest.mark.whole
@pytest.mark.parametrize(
    "command",
    [
        ["turbofan"],
        ["scoring", "compare", "models/fd003.onnx", "models/fd003.onnx", "test_FD003.txt"],
        ["training", "evaluate", "models/fd003.onnx", "--data", "."],
        ["simulator", "engines", "--out", "more", "--train", "1", "--test", "1"],
    ],
)
def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, command) -> None:
    write_subset(tmp_path, train=1, test=2)
    (tmp_path / "models").symlink_to(ROOT / "models")
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 0, ended.stderr
    assert "roken" not in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_tells_its_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"turbofan-edge {VERSION}\n"


def test_a_command_is_the_packages_own(tmp_path, capsys) -> None:
    assert main(["engines", "--out", str(tmp_path), "--train", "1", "--test", "1"]) == 0
    assert str(tmp_path / "train_FD003.txt") in capsys.readouterr().out
    assert main(["compare", "absent.onnx", "absent.onnx", "absent.csv"]) == 2
    assert "absent.onnx" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--version"])
    assert ended.value.code == 0


def test_a_command_that_is_none_is_told_with_its_likeness(capsys) -> None:
    assert main(["bacth"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no command 'bacth'; did you mean batch? `turbofan` lists them all\n"
    )
    assert main(["x"]) == 2
    assert capsys.readouterr().err == "error: there is no command 'x'; `turbofan` lists them all\n"


def test_what_a_command_lacks_is_named_with_how_to_bring_it(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "demo.command", None)
    assert main(["demo"]) == 2
    told = capsys.readouterr().err
    assert told == (
        "error: the demo needs demo.command, which is not installed: "
        'pip install "turbofan-edge[edge,training,simulator]"\n'
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_takes_effect_when_what_is_being_imported_is_whole(tmp_path, monkeypatch, number) -> None:
    (tmp_path / "slow_extension.py").write_text(f"import signal\nsignal.raise_signal({int(number)})\nwhole = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EndedError), ended_by_signals():
        import_for("the test", "slow_extension", "none")
    assert sys.modules.pop("slow_extension").whole
