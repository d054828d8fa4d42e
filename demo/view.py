"""What the demo shows: progress while it runs, and a table when it is over."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from demo.tally import Tally

# From the shortest life on; the last for all classes that are left.
_COLOURS = ("red", "yellow", "cyan", "green")


class LiveView:
    """The live picture: how many readings are answered, and how many engines are in which class."""

    def __init__(self, tally: Tally, readings: int, engines: int, classes: Sequence[str]) -> None:
        self._classes = classes
        self._tally = tally
        self._engines = engines
        self._progress = Progress(
            TextColumn("predictions upstream"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("", total=readings)

    def __rich__(self) -> RenderableType:
        """The picture as it is now."""
        self._progress.update(self._task, completed=self._tally.scored)
        classes = Table.grid(padding=(0, 2))
        counts = self._tally.by_class()
        for name, colour in zip_longest(self._classes, _COLOURS[: len(self._classes)], fillvalue=_COLOURS[-1]):
            bar = Bar(self._engines, 0, counts[name], width=40, color=colour)
            classes.add_row(name, bar, f"{counts[name]} engines")
        latency = f"latency p50 {self._tally.latency(50):.3f} s, p99 {self._tally.latency(99):.3f} s"
        dead = f"dead letters {self._tally.dead_letters.total()}, alerts from {len(self._tally.alerted)} engines"
        return Group(self._progress, classes, f"{latency}; {dead}")


def closing_table(tally: Tally, sent: int) -> Table:
    """What came of it."""
    quality = tally.quality()
    reasons = ", ".join(f"{count} {reason}" for reason, count in tally.dead_letters.most_common())
    table = Table(title="turbofan-edge demo", show_header=False)
    for name, value, note in (
        ("messages sent", f"{sent:,}", "acknowledged by the hub"),
        ("scored", f"{tally.scored:,}", "cycles of engines with a prediction"),
        ("upstream", f"{tally.upstream:,}", f"different messages; {tally.repeats} came twice"),
        ("dead-lettered", f"{tally.dead_letters.total():,}", reasons),
        ("lost", f"{sent - tally.answered:,}", "sent and never answered"),
        ("accuracy", f"{quality.accuracy:.3f}", "of classes, every cycle, against the truth"),
        ("macro-F1", f"{quality.macro_f1:.3f}", ""),
        ("latency p50", f"{tally.latency(50):.3f} s", "from sending to upstream"),
        ("latency p99", f"{tally.latency(99):.3f} s", ""),
        ("alerts", f"{len(tally.alerted)} engines", "near their end"),
    ):
        table.add_row(name, value, note)
    return table


def save_picture(console: Console, path: Path) -> None:
    """Keep what was shown as a picture that needs no font from elsewhere."""
    svg = console.export_svg(title="make demo")
    path.write_text(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")
