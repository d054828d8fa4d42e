"""Commands to a simulator that runs: its status, modules, faults, twins, methods and logs."""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import shlex
import sys
from typing import Any

from scoring.arguments import Commands, Parser, add_command
from scoring.cli.console import number
from simulator.cli.home import add_home
from simulator.errors import SimulatorError
from simulator.runtime.control import command
from simulator.runtime.faults import Faults

# Of a direct method, as IoT Hub has them: 300 s.
MAX_TIMEOUT = 300.0
MAX_LINES = 1_000_000
# Of faults, by the name of the argument.
_FLAGS = {"abrupt": "as if it were killed", "reset": "by a reset, as a firewall does"}
# By the type of a fault's argument, for its example.
_EXAMPLES = {str: "rulclassifier", float: "30", int: "429"}


def add(commands: Commands) -> None:
    """Add the commands."""
    parser = _command(commands, "status", "tell how the runtime, its modules and its clients are", "")
    parser.set_defaults(command=lambda options: _show(options, "status"))

    parser = _command(commands, "module", "start, stop or kill a module", "kill rulclassifier")
    parser.add_argument("action", choices=("start", "stop", "kill"), help="what to do with it")
    parser.add_argument("name", help="the module")
    parser.set_defaults(command=lambda options: _send(options, "module", action=options.action, name=options.name))

    parser = _command(commands, "logs", "show what a module has written", "rulclassifier --tail 20")
    parser.add_argument("name", help="the module")
    parser.add_argument("--tail", type=number(int, 1, MAX_LINES), metavar="N", help="its last lines only")
    parser.set_defaults(command=_logs)

    example = """telemetrysource --desired '{"rate": 10}'"""
    parser = _command(commands, "twin", "show a twin, or patch its desired properties", example)
    parser.add_argument("client", help="a module, or a device")
    parser.add_argument("--desired", type=_json, metavar="JSON", help="a patch, as an object")
    parser.set_defaults(command=_twin)

    seconds = number(float, 0.0, MAX_TIMEOUT)
    parser = _command(commands, "method", "call a direct method", "mymodule restart --payload true")
    parser.add_argument("client", help="a module, or a device")
    parser.add_argument("method", help="its name")
    parser.add_argument("--payload", type=_json, metavar="JSON", help="what it is given")
    parser.add_argument("--timeout", type=seconds, default=30.0, metavar="S", help="seconds for the answer")
    parser.add_argument("--connect-timeout", type=seconds, default=0.0, metavar="S", help="seconds for it to be there")
    parser.set_defaults(command=_method)

    parser = _command(commands, "debug", "give the environment for a module under a debugger", "mymodule")
    parser.add_argument("name", help="the module; made if the manifest has none of that name")
    parser.set_defaults(command=_debug)

    _add_faults(commands)


def _add_faults(commands: Commands) -> None:
    """`fault NAME`: a command for each method of Faults, with its arguments."""
    example = "python -m simulator fault offline --home out/edge"
    parser = add_command(commands, "fault", "make something go wrong", example)
    names = parser.add_subparsers(required=True, metavar="FAULT", dest="fault")
    for name, method in inspect.getmembers(Faults, inspect.isfunction):
        if name.startswith("_"):
            continue
        parameters = list(inspect.signature(method, eval_str=True).parameters.values())[1:]
        values = [_EXAMPLES[each.annotation] for each in parameters if each.default is inspect.Parameter.empty]
        fault, told = name.replace("_", "-"), (method.__doc__ or "").splitlines()[0]
        example = " ".join(["python -m simulator fault", fault, *values, "--home out/edge"])
        one = names.add_parser(fault, help=told, description=told, example=example)
        add_home(one)
        for parameter in parameters:
            if parameter.annotation is bool:
                one.add_argument(f"--{parameter.name}", action="store_true", help=_FLAGS[parameter.name])
            elif parameter.default is inspect.Parameter.empty:
                one.add_argument(parameter.name, type=parameter.annotation)
            else:
                one.add_argument(parameter.name, nargs="?", type=parameter.annotation, default=parameter.default)
        one.set_defaults(command=_fault, arguments=[parameter.name for parameter in parameters])


def _command(commands: Commands, name: str, purpose: str, example: str) -> Parser:
    example = " ".join(filter(None, ("python -m simulator", name, example, "--home out/edge")))
    parser = add_command(commands, name, purpose, example)
    add_home(parser)
    return parser


def _json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"{text!r} is not JSON: {error}"
        raise argparse.ArgumentTypeError(message) from error


def _send(options: argparse.Namespace, name: str, /, **arguments: Any) -> int:  # noqa: ANN401 - any JSON values
    asyncio.run(command(options.home, name, **arguments))
    return 0


def _show(options: argparse.Namespace, name: str, /, **arguments: Any) -> int:  # noqa: ANN401 - any JSON values
    answer = asyncio.run(command(options.home, name, **arguments))
    sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    return 0


def _twin(options: argparse.Namespace) -> int:
    desired = {} if options.desired is None else {"desired": options.desired}
    return _show(options, "twin", client=options.client, **desired)


def _method(options: argparse.Namespace) -> int:
    return _show(
        options,
        "method",
        client=options.client,
        method=options.method,
        payload=options.payload,
        answer_within=options.timeout,
        connect_within=options.connect_timeout,
    )


def _debug(options: argparse.Namespace) -> int:
    variables = asyncio.run(command(options.home, "debug", name=options.name))
    sys.stdout.write("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
    return 0


def _fault(options: argparse.Namespace) -> int:
    arguments = {name: getattr(options, name) for name in options.arguments}
    return _send(options, "fault", name=options.fault, arguments=arguments)


def _logs(options: argparse.Namespace) -> int:
    path = options.home / "logs" / f"{options.name}.log"
    if not path.exists():
        known = ", ".join(sorted(log.stem for log in path.parent.glob("*.log"))) or "none"
        raise SimulatorError(f"there is no log of {options.name} in {options.home}; there are {known}")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    sys.stdout.write("".join(lines if options.tail is None else lines[-options.tail :]))
    sys.stdout.flush()
    return 0
