"""Writes the settings that modules of Python declare as tables in Markdown, as docs/modules.md has them.

python -m modules.edge.settings_table modules.rulclassifier.settings
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

from modules.edge.settings import Setting


def declared(module: ModuleType) -> Iterator[Setting[object]]:
    """The settings that a module of Python declares, in its order."""
    return (each for each in vars(module).values() if isinstance(each, Setting))


def table(module: ModuleType) -> str:
    """The settings that a module of Python declares, as a table in Markdown."""
    lines = ["| variable | default | takes | |", "|---|---|---|---|"]
    for each in declared(module):
        twin = f"; the desired property `{each.twin}` wins, also while it runs" if each.twin else ""
        cells = (f"`{each.name}`", each.preset, each.takes, each.text + twin)
        lines.append("".join(f"| {cell} ".replace("  ", " ") for cell in cells) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(f"{table(importlib.import_module(name))}\n")
