"""What a module's settings become as a container's command; tests/images starts real ones."""

from pathlib import Path

import pytest

from simulator.agent.containers import Containers, find_program
from simulator.errors import SimulatorError
from simulator.specs import ModuleSpec


def spec(options: dict, environment: dict[str, str] | None = None) -> ModuleSpec:
    return ModuleSpec("scoring", "running", "always", 1, "registry/scoring:1-amd64", environment or {}, options)


def command(options: dict, environment: dict[str, str] | None = None) -> list[str]:
    containers = Containers("podman", "edge-1", Path("/run/workload.sock"))
    return containers.prepare(spec(options, environment), {}, "127.200.1.1", {}).command


def test_the_command_is_the_images_unless_the_manifest_has_one() -> None:
    assert command({})[-1] == "registry/scoring:1-amd64"
    assert command({"Cmd": ["python3", "-m", "other"]})[-4:] == ["registry/scoring:1-amd64", "python3", "-m", "other"]
    entered = command({"Entrypoint": ["sh", "-c"], "Cmd": ["true"]})
    assert entered[entered.index("--entrypoint") + 1] == "sh"
    assert entered[-3:] == ["registry/scoring:1-amd64", "-c", "true"]


def test_a_container_is_as_confined_as_the_manifest_says() -> None:
    host = {
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Memory": 1_000_000,
        "PidsLimit": 100,
    }
    found = " ".join(command({"HostConfig": host, "User": "1000"}))
    for flag in (
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--memory 1000000",
        "--pids-limit 100",
        "--user 1000",
    ):
        assert flag in found


def test_values_of_variables_stand_in_no_command_line(monkeypatch) -> None:
    containers = Containers("podman", "edge-1", Path("/run/workload.sock"))
    launch = containers.prepare(spec({}, {"SECRET": "hidden"}), {}, "127.200.1.1", {"LISTEN": "0.0.0.0:9600"})
    assert "hidden" not in " ".join(launch.command)
    assert launch.environment["SECRET"] == "hidden"
    assert launch.environment["LISTEN"] == "127.200.1.1:9600"
    assert launch.environment["IOTEDGE_WORKLOADURI"] == "unix:///var/run/iotedge/workload.sock"


def test_a_folder_that_is_made_can_be_written_to_by_the_images_user(tmp_path) -> None:
    found = command({"HostConfig": {"Binds": [f"{tmp_path / 'new'}:/state", f"{tmp_path}:/models:ro"]}})
    assert f"{tmp_path / 'new'}:/state" in found
    assert f"{tmp_path}:/models:ro" in found
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777


def test_a_program_that_is_not_there_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulatorError, match="podman or docker is not installed"):
        find_program()
    with pytest.raises(SimulatorError, match="nerdctl is not installed"):
        find_program("nerdctl")
