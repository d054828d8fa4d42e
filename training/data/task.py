"""Tasks: whose remaining useful life is predicted, and from which telemetry."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from scoring.model.derived import Derived, read_derived, seconds_of
from scoring.model.signature import Field
from scoring.names import CYCLE
from scoring.telemetry import turbofan
from training.data.labels import Classes
from training.errors import TaskError


@dataclass(frozen=True)
class Words:
    """What a task's figures are told in.

    Attributes:
        machines: What wears out, several of them.
        step: What one message stands for, such as a cycle or an hour.
        unit: In which RUL is told, such as cycles or h.
    """

    machines: str = "machines"
    step: str = "cycle"
    unit: str = "cycles"


@dataclass(frozen=True)
class Task:
    """What a machine sends, and what is to be told of it.

    Attributes:
        name: The machine's kind.
        fields: The columns of its telemetry, in order, with units.
        cycle: The field that counts cycles, in steps of 1.
        settings: The fields that tell the operating regime; may be none.
        window: How many cycles a model sees (W).
        classes: The RUL classes.
        cap: Where RUL is cut in training, in cycles.
        machine: The column of a table that tells machines apart; "" where telemetry comes in no table.
        derived: By field, how its number is made of what a message holds.
    """

    name: str
    fields: tuple[Field, ...]
    cycle: str
    settings: tuple[str, ...]
    window: int
    classes: Classes
    cap: float
    machine: str
    derived: Mapping[str, Derived] = field(default_factory=dict)

    @property
    def words(self) -> Words:
        """What its figures are told in."""
        if not self.machine:
            return Words("engines")
        unit = self.fields[self.cycle_column].unit
        return Words(step=self.cycle.lower(), unit=unit or f"{self.cycle.lower()}s")

    @property
    def field_names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(each.name for each in self.fields)

    @property
    def cycle_column(self) -> int:
        """Where the cycle stands among the fields."""
        return self.field_names.index(self.cycle)

    @property
    def counts_age(self) -> bool:
        """Whether the cycle tells how old a machine is, and not a date."""
        return self.cycle not in self.derived

    @property
    def setting_columns(self) -> tuple[int, ...]:
        """Where the settings stand among the fields."""
        return tuple(self.field_names.index(each) for each in self.settings)


CMAPSS = Task(
    name="turbofan",
    fields=turbofan.FIELDS,
    cycle=CYCLE,
    settings=turbofan.SETTINGS,
    window=50,
    classes=Classes(turbofan.CLASSES, turbofan.EDGES),
    cap=turbofan.CAP,
    machine="",
)
"""Turbofan engines of the C-MAPSS data sets."""


def read_task(path: Path) -> Task:
    """Read a task's description in TOML; examples/pumps.toml shows every key.

    Raises:
        TaskError: The file cannot be read, is not TOML, or a key is missing, unknown or has a value that cannot be.
        LabelError: Class edges or names contradict each other.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise TaskError(f"task {path} cannot be read: {error.strerror}; give another file by --task") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaskError(f"task {path} is not TOML: {error}") from error
    unknown = set(raw) - {"name", "machine", "cycle", "settings", "window", "cap", "classes", "fields", "derived"}
    if unknown:
        raise TaskError(
            f"task {path} has the unknown key {sorted(unknown)[0]!r}; examples/pumps.toml shows all there are"
        )
    fields = _of(path, raw, "fields", dict)
    classes = _of(path, raw, "classes", dict)
    task = Task(
        name=_of(path, raw, "name", str),
        fields=tuple(Field(str(name), str(unit)) for name, unit in fields.items()),
        cycle=_of(path, raw, "cycle", str),
        settings=tuple(_of(path, raw, "settings", list)),
        window=_of(path, raw, "window", int),
        classes=Classes(
            tuple(_of(path, classes, "names", list)), tuple(float(each) for each in _of(path, classes, "edges", list))
        ),
        cap=float(_of(path, raw, "cap", int | float)),
        machine=_of(path, raw, "machine", str),
        derived={name: _derived(path, name, rule) for name, rule in raw.get("derived", {}).items()},
    )
    for name in (task.cycle, *task.settings, *task.derived):
        if name not in task.field_names:
            raise TaskError(
                f"task {path} counts, sets or derives by {name!r}, which is not among its fields; add it there"
            )
    if task.window < 2 or task.cap <= 0:
        raise TaskError(f"task {path} has window {task.window} and cap {task.cap:g}; at least 2 and above 0 are right")
    return task


def _derived(path: Path, name: str, rule: Any) -> Derived:  # noqa: ANN401 - what TOML holds
    """How a field is made; an origin may be written as a date or a time."""
    try:
        origin = rule.get("origin")
        if isinstance(origin, date) and not isinstance(origin, datetime):
            origin = datetime.combine(origin, time())
        if isinstance(origin, datetime):
            rule = {**rule, "origin": seconds_of(origin)}
        return read_derived(rule)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        told = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise TaskError(f"task {path} derives {name} by a rule that cannot be: {told}") from error


def _of(path: Path, raw: dict[str, Any], key: str, kind: Any) -> Any:  # noqa: ANN401 - what TOML holds
    if not isinstance(raw.get(key), kind) or isinstance(raw[key], bool):
        expected = getattr(kind, "__name__", str(kind))
        raise TaskError(f"task {path} has {key} = {raw.get(key)!r}, expected {expected}; examples/pumps.toml shows one")
    return raw[key]
