"""`check`: what a device would make of a manifest, and of a message."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from scoring.arguments import Commands, add_command
from simulator.agent import manifest, template
from simulator.errors import SimulatorError
from simulator.message import Message, from_topic
from simulator.routing import sources
from simulator.routing.routes import Route, Router, Sink, verdict
from simulator.routing.values import UNDEFINED

# Where no device says who it is.
DEVICE = "edge-device"


def add(commands: Commands) -> None:
    """Add the command."""
    example = """python -m simulator check deployment.template.json --from rulclassifier/alerts --body '{"rul": 12}'"""
    purpose = "judge a manifest as a device would, and tell where a message goes"
    parser = add_command(commands, "check", purpose, example)
    parser.add_argument("manifest", type=Path, metavar="MANIFEST_OR_TEMPLATE", help="a template is filled in first")
    parser.add_argument("--arch", choices=template.ARCHITECTURES, default="amd64", help="a template's devices'")
    parser.add_argument("--from", dest="sender", metavar="SENDER", help="of a message: MODULE/OUTPUT, or a leaf device")
    parser.add_argument("--body", default="", metavar="TEXT", help="of the message; @FILE reads it")
    parser.add_argument(
        "--property",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the message, by its name on the wire, such as $.ct for contentType; may be repeated",
    )
    parser.set_defaults(command=check)


def check(options: argparse.Namespace) -> int:
    """Judge it; what a device would not take is raised."""
    content = template.load(options.manifest, options.arch)
    parsed = manifest.parse(content)
    router = Router(parsed.routes)
    modules, routes = _counted(parsed.modules, "module"), _counted(parsed.routes, "route")
    sys.stdout.write(f"a device takes it: {modules}, {routes}\n")
    for warning in (*manifest.warnings(content), *manifest.device_warnings(content)):
        sys.stdout.write(f"warning: {warning}\n")
    if options.sender is not None:
        message = _message(options.sender, options.body, options.property)
        sys.stdout.write("".join(f"{line}\n" for line in _told(router, message)))
    return 0


def _counted(things: object, name: str) -> str:
    count = len(things)  # type: ignore[arg-type]
    return f"{count} {name}" if count == 1 else f"{count} {name}s"


def _message(sender: str, body: str, pairs: list[str]) -> Message:
    content = Path(body[1:]).read_bytes() if body.startswith("@") else body.encode("utf-8", "surrogateescape")
    properties = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SimulatorError(f"--property {pair!r} is not NAME=VALUE")
        properties[name] = value
    if _is_json(content):
        properties = {"$.ct": "application/json", "$.ce": "utf-8"} | properties
    module, slash, output = sender.partition("/")
    if output:
        properties["$.on"] = output
    bag = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in properties.items())
    return from_topic(bag, content, DEVICE if slash else module, module if slash else None, 0.0)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except (ValueError, RecursionError):
        return False
    return True


def _told(router: Router, message: Message) -> Iterator[str]:
    yield f"a message from {message.source}:"
    width = max((len(route.name) for route in router.routes), default=0)
    for route in router.routes:
        yield f"  {route.name:<{width}}  {_outcome(route, message)}"
    delivered = router.deliveries(message)
    if not delivered:
        yield "it goes nowhere: it is acknowledged, and dropped"
    for sink, priority, time_to_live in delivered:
        rank = f"priority {priority}" if priority <= 9 else "after all that have a priority"
        yield f"it goes to {_place(sink)}, {rank}, for {time_to_live:g} s at most"


def _place(sink: Sink) -> str:
    return "$upstream" if sink.module is None else f"input {sink.input} of {sink.module}"


def _outcome(route: Route, message: Message) -> str:
    if not sources.takes(route.source, message.source):
        return "no: its source is another"
    if route.condition is None:
        return "yes"
    value = verdict(route.condition, message)
    if value is UNDEFINED:
        return f"no: {route.condition.text} is undefined"
    return "yes" if value is True else f"no: {route.condition.text} is false"
