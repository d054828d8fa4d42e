"""The task that files of readings would make, as TOML, with what to look at before it is used."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from statistics import median

from training.data.inspection import Inspection

_HOUR = 3600.0


def proposal(found: Inspection) -> str:
    """The task that the files make, as `read_task` reads it."""
    life = median(found.lives or [2])
    cap = max(2, round(life / 2))
    names = [found.cycle, *found.settings, *found.fields]
    texts = [name for name in found.settings if not found.columns[name].is_of_numbers]
    return "\n".join(
        [
            "# Made by `python -m training inspect`: look at what is a setting, at window, cap and classes.",
            f"name = {_quoted(found.name)}",
            f"machine = {_quoted(found.machine)}    # the column that tells machines apart",
            f"cycle = {_quoted(found.cycle)}    # the field that counts",
            f"settings = [{', '.join(map(_quoted, found.settings))}]    # the fields that tell the operating regime",
            f"window = {max(2, min(50, round(life / 4)))}    # how many cycles the model sees",
            f"cap = {cap}    # RUL is cut here in training: half of what a machine is usually seen for",
            "",
            "[classes]",
            'names = ["Now", "Soon", "Later"]',
            f"edges = [{max(1, round(cap / 5))}, {max(2, round(cap / 2))}]    # the largest RUL of each but the last",
            "",
            "[fields]    # in the order of the model's input, with their units",
            *(f"{_quoted(name)} = {_quoted(_unit(found, name))}" for name in names),
            *(_period(found) if found.time else []),
            *(line for name in texts for line in _category(name, sorted(found.columns[name].texts))),
            "",
        ]
    )


def _period(found: Inspection) -> list[str]:
    origin = datetime.fromtimestamp(found.origin, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ticks = found.columns[found.time].ticks
    return [
        "",
        f"[derived.{_quoted(found.cycle)}]    # a period of time is a cycle; its last reading stands for it",
        f"from = {_quoted(found.time)}",
        f"every = {found.every:g}    # seconds",
        f"origin = {origin}    # when period 1 begins; devices take a million of them",
        *([f"ticks = {ticks:g}    # how many of the time's units make a second"] if ticks != 1 else []),
    ]


def _category(name: str, texts: list[str]) -> list[str]:
    return [
        "",
        f"[derived.{_quoted(name)}]    # a text, by its number from 0; others are refused",
        f"from = {_quoted(name)}",
        f"categories = [{', '.join(map(_quoted, texts))}]",
    ]


def _unit(found: Inspection, name: str) -> str:
    if name == found.cycle and found.time:
        return "h" if found.every == _HOUR else f"{found.every:g} s"
    return found.columns[name].unit


def _quoted(text: str) -> str:
    """As TOML has it, which quotes as JSON does."""
    return json.dumps(text, ensure_ascii=False)
