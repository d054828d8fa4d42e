"""What stands in for the world on a laptop: engines that wear out, the edge runtime, the cloud's end of it."""

from typing import TYPE_CHECKING

from scoring.lazy import lazily

if TYPE_CHECKING:
    from simulator.cloud.upstream import Received
    from simulator.engines.wear import Engine
    from simulator.errors import SimulatorError
    from simulator.runtime.runtime import Runtime

__all__ = [
    "Engine",
    "Received",
    "Runtime",
    "SimulatorError",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "errors": ("SimulatorError",),
        "runtime.runtime": ("Runtime",),
        "cloud.upstream": ("Received",),
        "engines.wear": ("Engine",),
    },
)
