"""One device: all rooms together, and what can be done to it while it runs."""

from simulator.runtime.runtime import Runtime

__all__ = ["Runtime"]
