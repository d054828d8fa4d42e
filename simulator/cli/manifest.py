"""`manifest`: the deployment manifest from its template."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from scoring.arguments import Commands, add_command
from simulator import shipped
from simulator.agent import manifest, template
from simulator.private import write_private


def add(commands: Commands) -> None:
    """Add the command."""
    example = "python -m simulator manifest --arch arm32v7 --out deployment.json"
    parser = add_command(commands, "manifest", "generate the deployment manifest from its template", example)
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="`modules/` and `.env` are looked for beside it; by default deployment.template.json here, or "
        "else the one that ships, with `.env` here",
    )
    parser.add_argument("--arch", choices=template.ARCHITECTURES, default="amd64", help="the devices'")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="MODULE",
        help="leave it out, with its routes, such as telemetrysource where real telemetry comes; may be repeated",
    )
    parser.set_defaults(command=write_manifest)


def write_manifest(options: argparse.Namespace) -> int:
    """Write the manifest to a file, which only its owner may read, or to standard output."""
    here = Path(shipped.TEMPLATE.name)
    if options.template is None and not here.exists():
        chosen = template.Template(shipped.TEMPLATE, options.arch, settings=Path(".env"))
    else:
        chosen = template.Template(options.template or here, options.arch)
    made = chosen.manifest()
    for name in options.without:
        for route in manifest.without(made, name):
            sys.stderr.write(f"the route {route} is left out with {name}\n")
    manifest.parse(made)
    warnings = [*manifest.warnings(made), *manifest.device_warnings(made)]
    if options.out:
        warnings += [
            f"{options.out} holds the password of {registry}: only you may read it; keep it out of a repository"
            for registry in manifest.passwords(made)
        ]
    sys.stderr.write("".join(f"warning: {each}\n" for each in warnings))
    content = json.dumps(made, indent=2) + "\n"
    if options.out:
        write_private(options.out, content.encode())
    else:
        sys.stdout.write(content)
    return 0
