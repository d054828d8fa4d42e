"""Public names that are imported when somebody asks for one: a device loads no more than it uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module


def lazily(package: str, homes: Mapping[str, Sequence[str]]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """What makes names of modules within a package names of the package: its `__getattr__`, and its `__dir__`.

    Args:
        package: Its full name.
        homes: By module, as it is called within the package, the names that it has.
    """
    modules = {name: f"{package}.{module}" for module, names in homes.items() for name in names}

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name]), name)

    return find, lambda: sorted(modules)
