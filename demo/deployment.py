"""The deployment of deployment.template.json for this machine's files, as the demo, tests and benchmarks run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator import shipped
from simulator.agent import template

# Unless images are run, no registry is asked.
NO_REGISTRY = "registry.example.com"


def deployment(  # noqa: PLR0913 - a device's files and its image
    model: Path,
    telemetry: Path,
    state: Path,
    rate: float,
    *,
    template_path: Path = shipped.TEMPLATE,
    architecture: str = "amd64",
    registry: str = NO_REGISTRY,
) -> dict[str, Any]:
    """The deployment manifest, generated from the template as for a real device.

    Args:
        model: The ONNX file that rulclassifier serves.
        telemetry: The C-MAPSS file that telemetrysource replays.
        state: The folder in which the modules keep their state.
        rate: Readings a second for all engines together; 0 for no limit.
        template_path: What is deployed; the modules of the project's template.
        architecture: Of the images.
        registry: Where the images are.
    """
    content = template.load(
        template_path,
        architecture,
        environment={
            "CONTAINER_REGISTRY": registry,
            "CONTAINER_REGISTRY_USERNAME": "",
            "CONTAINER_REGISTRY_PASSWORD": "",
            "MODEL_DIR": str(model.parent.resolve()),
            "MODEL_FILE": model.name,
            "STATE_DIR": str(state.resolve()),
            "TELEMETRY_DIR": str(telemetry.parent.resolve()),
            "TELEMETRY_FILE": telemetry.name,
        },
    )
    content["modulesContent"]["telemetrysource"]["properties.desired"]["rate"] = rate
    return content
