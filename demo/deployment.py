"""The deployment of deployment.template.json for this machine's files, as the demo, tests and benchmarks run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator import manifest

TEMPLATE = Path(__file__).parent.parent / "deployment.template.json"


def deployment(model: Path, telemetry: Path, state: Path, rate: float) -> dict[str, Any]:
    """The deployment manifest, generated from the template as for a real device.

    Args:
        model: The ONNX file that rulclassifier serves.
        telemetry: The C-MAPSS file that telemetrysource replays.
        state: The folder in which the modules keep their state.
        rate: Readings a second for all engines together; 0 for no limit.
    """
    content = manifest.load(
        TEMPLATE,
        environment={
            # No image is pulled here, so no registry is asked.
            "CONTAINER_REGISTRY": "registry.example.com",
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
