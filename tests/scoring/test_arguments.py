"""What every command line of the project does alike."""

import socket

import pytest

from scoring.__main__ import main
from scoring.arguments import Parser
from tests.onnx_models import tiny_model


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="pump", description="Pumps.", example="pump start --speed 3 --name a-name-that-is-quite-long")
    parser.add_argument("--speed", type=int, default=2, help="in turns")
    parser.add_argument("--name", help="of the pump")
    parser.add_argument("--dry", action="store_true", help="without water")
    parser.add_argument("--level", type=int, default=7, help="by default the highest")
    start = parser.add_subparsers().add_parser("start", example="pump start")
    start.add_argument("hall")
    return parser


def test_the_help_tells_each_default_once_and_an_example(parser, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    told = parser.format_help()
    assert "in turns (default: 2)" in " ".join(told.split())
    assert told.count("default") == 2
    assert told.endswith("\nexample:\n  pump start --speed 3 --name a-name-that-is-quite-long\n")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--speed", "x"], "error: argument --speed: invalid int value: 'x'; `pump --help` tells what it takes\n"),
        (
            ["start"],
            "error: the following arguments are required: hall; `pump start --help` tells what it takes\n",
        ),
    ],
)
def test_what_cannot_be_parsed_is_refused_in_one_line(parser, given, told, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(given)
    assert ended.value.code == 2
    assert capsys.readouterr().err == told


def test_a_port_that_is_taken_is_told_in_one_line(tmp_path, capfd) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(tiny_model())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", str(model), "--port", str(taken.getsockname()[1])]) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "address already in use" in errors[0]
