"""Writes the contracts that modules of Python declare as JSON Schemas, as the folder schemas has them.

python -m modules.edge.contract_files schemas modules.edge.hub.dead_letter modules.rulclassifier.contracts ...
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from modules.edge.contract import Contract


def declared(module: ModuleType) -> Iterator[Contract]:
    """The contracts that a module of Python declares, in its order."""
    return (each for each in vars(module).values() if isinstance(each, Contract))


def text(contract: Contract) -> str:
    """A contract as the file that is kept of it."""
    return json.dumps(contract.schema(), indent=2) + "\n"


if __name__ == "__main__":
    for name in sys.argv[2:]:
        for each in declared(importlib.import_module(name)):
            (Path(sys.argv[1]) / f"{each.name}.json").write_text(text(each), encoding="utf-8")
