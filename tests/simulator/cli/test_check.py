"""`python -m simulator check`: what a device would make of a manifest, and of a message."""

import json

import pytest

from simulator.__main__ import main
from tests.simulator.conftest import ROOT
from tests.simulator.conftest import manifest as complete

ROUTES = {
    "hot": {"route": "FROM /messages/modules/m/outputs/o WHERE as_number(t) > 30 INTO $upstream", "priority": 1},
    "all": 'FROM /messages/modules/m INTO BrokeredEndpoint("/modules/x/inputs/i")',
    "leaf": {"route": "FROM /messages WHERE NOT is_defined($connectionModuleId) AND $body.a = 1 INTO $upstream"},
}


def check(tmp_path, capsys, *arguments, routes=ROUTES):
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps(complete(routes)))
    status = main(["check", str(path), *arguments])
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def test_a_manifest_is_taken_with_what_its_owner_should_know(tmp_path, capsys) -> None:
    trap = {"late": "FROM /messages WHERE $body.t > 5 INTO $upstream"}
    status, told, errors = check(tmp_path, capsys, routes=trap)
    assert (status, errors) == (0, "")
    assert told[0] == "a device takes it: 0 modules, 1 route"
    assert told[-1].startswith("warning: route late, column 22: a message without $body.t is taken too")


def test_a_manifest_that_a_device_would_not_take_is_refused(tmp_path, capsys) -> None:
    status, told, errors = check(tmp_path, capsys, routes={"bad": "FROM /messages WHERE t > 30 INTO $upstream"})
    assert (status, told) == (2, [])
    assert errors.startswith(
        "error: modulesContent/$edgeHub/properties.desired/routes/bad: column 24: Invalid operands"
    )
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--from", "m/o", "--property", "t=31"),
            [
                "a message from /messages/modules/m/outputs/o:",
                "  hot   yes",
                "  all   yes",
                "  leaf  no: NOT is_defined($connectionModuleId) AND $body.a = 1 is false",
                "it goes to $upstream, priority 1, for 7200 s at most",
                "it goes to input i of x, after all that have a priority, for 7200 s at most",
            ],
        ),
        (
            ("--from", "m/", "--property", "t=31"),
            [
                "a message from /messages/modules/m:",
                "  hot   no: its source is another",
                "  all   yes",
                "  leaf  no: NOT is_defined($connectionModuleId) AND $body.a = 1 is false",
                "it goes to input i of x, after all that have a priority, for 7200 s at most",
            ],
        ),
        (
            ("--from", "pump", "--body", "@body.json"),
            [
                "a message from /messages:",
                "  hot   no: its source is another",
                "  all   no: its source is another",
                "  leaf  yes",
                "it goes to $upstream, after all that have a priority, for 7200 s at most",
            ],
        ),
        (
            ("--from", "pump", "--body", "a"),
            [
                "a message from /messages:",
                "  hot   no: its source is another",
                "  all   no: its source is another",
                "  leaf  no: NOT is_defined($connectionModuleId) AND $body.a = 1 is undefined",
                "it goes nowhere: it is acknowledged, and dropped",
            ],
        ),
    ],
)
def test_a_message_is_followed_through_all_routes(tmp_path, monkeypatch, capsys, arguments, told) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_text('{"a": 1}')
    status, shown, _ = check(tmp_path, capsys, *arguments)
    assert status == 0
    assert [line for line in shown[1:] if not line.startswith("warning")] == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--property", "t", "--from", "m/o"), "--property 't' is not NAME=VALUE"),
        (("--body", "@absent.json", "--from", "m/o"), "absent.json"),
        (("--property", "n=1", "--property", "N=2", "--from", "m/o"), "one name but for case"),
    ],
)
def test_what_is_no_message_is_one_line(tmp_path, capsys, arguments, told) -> None:
    status, _, errors = check(tmp_path, capsys, *arguments)
    assert status == 2
    assert told in errors
    assert errors.count("\n") == 1


def test_what_ships_is_taken_without_a_warning_but_for_the_registry(capsys, monkeypatch) -> None:
    for line in (ROOT / ".env.example").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not name.startswith("#"):
            monkeypatch.setenv(name, value)
    for path in (ROOT / "deployment.template.json", ROOT / "examples" / "ten_line_manifest.json"):
        assert main(["check", str(path)]) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line for line in told[1:] if "registry.example.com" not in line] == []
