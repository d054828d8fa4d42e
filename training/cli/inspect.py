"""`inspect`: what files of readings hold, what is wrong with them, and what task they make."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from statistics import median

from scoring.cli.console import say
from scoring.extras import import_for
from training.data.inspection import NOTHING_SAID, Inspection, inspect
from training.data.proposal import proposal
from training.data.task import read_task
from training.output import require_place, write_whole

_WIDTH = 79
_NAME = 22


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("readings", help="a file, a folder, a pattern or a blob: CSV, NDJSON, Parquet, or a capture")
    parser.add_argument("--out", type=Path, required=True, help="the TOML file to write: what a task of it would be")
    parser.add_argument("--name", help="what the task is called; default: the file's name")
    parser.add_argument("--machine", default="", metavar="COLUMN", help="tells machines apart; default: is looked for")
    parser.add_argument("--time", default="", metavar="COLUMN", help="tells when; default: is looked for")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    require_place(options.out)
    rows = import_for("`inspect`", "scoring.batch.rows", "batch")
    name = options.name or Path(options.readings.rstrip("/")).name.partition(".")[0].strip("*") or "machine"
    found = inspect(name, rows.rows(options.readings), options.machine, options.time)
    write_whole(options.out, proposal(found).encode())
    read_task(options.out)
    say(page(found, rows.MOST_ROWS))
    said = "" if found.ended.keys() - {NOTHING_SAID} else " --ended ENDS.csv"
    say(f"\n{options.out} holds the task; look at it, and then:\n")
    say(
        f"  python -m training fit --task {options.out} \\\n    --readings {options.readings}{said} "
        f"--out {options.out.with_suffix('.onnx')}"
    )


def page(found: Inspection, most: int) -> str:
    """What was found, on a page that fits a narrow terminal."""
    lives, fields = sorted(found.lives), {*found.fields, *found.settings}
    read = f", the first {most:,} of them" if found.rows == most else ""
    what = f"{found.time}, a reading each {found.every:g} s" if found.time else f"none; {found.cycle} counts"
    ended = ", ".join(f"{way} {count}" for way, count in found.ended.most_common())
    lines = [
        f"{found.name}: {found.rows:,} readings{read} of {len(lives)} machines",
        "",
        f"  machine   {found.machine}",
        f"  time      {what}",
        f"  seen for  {lives[0]:,} to {lives[-1]:,} cycles, half of them for {median(lives):,.0f} or more",
        f"  ended     {ended}",
        "",
        f"{'field':{_NAME}} {'absent':>8} {'lowest':>12} {'highest':>12}",
    ]
    for name, column in found.columns.items():
        if name in fields:
            kind = "  setting" if name in found.settings else ""
            absent = f"{1 - column.present / found.rows:.1%}"
            if column.is_of_numbers:
                lines.append(f"{_cut(name):{_NAME}} {absent:>8} {column.low:>12.6g} {column.high:>12.6g}{kind}")
            else:
                texts = _cut(", ".join(sorted(column.texts)), 25)
                lines.append(f"{_cut(name):{_NAME}} {absent:>8} {texts:>25}{kind}")
    for title, told in (
        ("no field", [f"{name}: {why}" for name, why in found.left_out.items()]),
        ("to look at", found.wrong),
    ):
        if told:
            lines += ["", title, *(_wrapped(each) for each in told)]
    return "\n".join(lines)


def _cut(text: str, most: int = _NAME) -> str:
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _wrapped(text: str) -> str:
    return textwrap.fill(_cut(text, 500), _WIDTH, initial_indent="  ", subsequent_indent="    ")
