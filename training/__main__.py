"""Command line: `python -m training COMMAND`, such as inspect, fit, evaluate, report or export."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scoring.arguments import Parser, add_command
from scoring.cli.program import status_of
from scoring.extras import import_for
from scoring.version import add_version
from training.ending import EndedError, ended_by_signals
from training.errors import TrainingError

_ENGINES = "--data data/cmapss --subset FD003"
# Each is imported only where it is asked for: a help needs no scikit-learn.
_COMMANDS = {
    "inspect": (
        "look at files of readings, and write the task that they make",
        "readings.csv --out task.toml",
    ),
    "show": ("show what is in files of readings or messages, as JSON lines", "archive/2026/12/01/10/05.avro --most 3"),
    "fit": ("train a model and export it as one ONNX file", f"{_ENGINES} --out fd003.onnx"),
    "evaluate": ("score the test engines and compare with the truth", f"fd003.onnx {_ENGINES}"),
    "benchmark": ("judge any model, or any predictions, on the four test sets", "models/fleet.onnx"),
    "report": ("draw how good a model is, as one HTML file", f"fd003.onnx {_ENGINES} --out out/report"),
    "models": ("make the models that ship, with their cards", "--data data/cmapss --out models"),
    "search": ("compare model families and settings by cross-validation", f"{_ENGINES} --jobs 2"),
    "export": (
        "make any scikit-learn model of single rows one that devices serve",
        "model.joblib --fields Speed,Pressure --out model.onnx",
    ),
    "censor": (
        "make a set in which some engines have not failed of one in which all have",
        f"{_ENGINES} --share 0.8 --out out/censored",
    ),
    "fetch": ("bring NASA's C-MAPSS data", "--out data/cmapss"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it did what was asked, 2 if it could not, with one line on stderr that says why."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return status_of(lambda: _run(given), TrainingError, stops=(EndedError,))


def _run(given: list[str]) -> None:
    with ended_by_signals():
        options = _parser(given[0] if given else "").parse_args(given)
        options.command(options)
        # Whoever reads it may be gone, and signals are still taken here.
        sys.stdout.flush()


def _parser(chosen: str) -> Parser:
    parser = Parser(prog="python -m training", description="Trains models, judges them, and exports them for devices.")
    add_version(parser)
    commands = parser.add_commands()
    for name, (purpose, example) in _COMMANDS.items():
        command = add_command(commands, name, purpose, f"python -m training {name} {example}")
        if name == chosen:
            implementation = import_for(f"`{name}`", f"training.cli.{name}", "training")
            implementation.add_options(command)
            command.set_defaults(command=implementation.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
