"""What the runtime takes from a deployment manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# edgeHub puts routes without a priority behind those that have one (0 to 9).
DEFAULT_PRIORITY = 2_000_000_000


@dataclass(frozen=True)
class ModuleSpec:
    """One module as edgeAgent reads it."""

    name: str
    status: str
    restart_policy: str
    startup_order: int
    image: str
    environment: dict[str, str]
    create_options: dict[str, Any]


@dataclass(frozen=True)
class RouteSpec:
    """One route as edgeHub reads it: its text, its priority (0 first) and its messages' time to live in seconds."""

    name: str
    text: str
    priority: int
    time_to_live: float


@dataclass(frozen=True)
class Manifest:
    """The modules, the routes, and the desired properties of modules."""

    modules: dict[str, ModuleSpec]
    routes: list[RouteSpec]
    twins: dict[str, dict[str, Any]] = field(default_factory=dict)
