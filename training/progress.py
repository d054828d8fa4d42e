"""What long work tells while it goes on: a bar with the time on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from scoring.cli.console import note


class Tell(Protocol):
    """Is told what is being done, in a few words, and how many of how many steps are done where they are counted."""

    def __call__(self, doing: str, done: int = 0, of: int = 0, /) -> None:
        """Take note."""


@contextmanager
def told() -> Iterator[Tell]:
    """Shows what it is told, on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda doing, _done=0, _of=0: note(doing)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda doing, done=0, of=0: bar.update(task, description=doing, completed=done, total=of or None)
