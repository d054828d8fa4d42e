"""A registry of models: a folder with each version of each model, and what it reached."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.errors import DataError
from training.output import write_whole

MODEL_FILE = "model.onnx"
METRICS_FILE = "metrics.json"


def register(registry: Path, name: str, content: bytes, metrics: Mapping[str, Any]) -> Path:
    """Keep a model as the next version of its name; the version that it has already if the bytes are the same.

    Args:
        registry: The registry's folder.
        name: The model's name.
        content: The ONNX file.
        metrics: What it reached.

    Returns:
        The version's folder, `registry/name/version`, with `model.onnx` and `metrics.json`.

    Raises:
        DataError: The name is no name of a folder, or the registry cannot be written.
    """
    if Path(name).name != name or name in {"", ".", ".."}:
        raise DataError(f"the model's name is {name!r}, expected one that a folder can have")
    folder = registry / name
    kept = versions(registry, name)
    for version in kept:
        if (folder / str(version) / MODEL_FILE).read_bytes() == content:
            return folder / str(version)
    version_folder = folder / str(max(kept, default=0) + 1)
    try:
        version_folder.mkdir(parents=True)
        (version_folder / METRICS_FILE).write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        # Last, so that a version with a model is a whole one.
        write_whole(version_folder / MODEL_FILE, content)
    except OSError as error:
        raise DataError(f"{version_folder} cannot be written: {error.strerror}") from error
    return version_folder


def versions(registry: Path, name: str) -> list[int]:
    """The versions of a model, the oldest first."""
    return sorted(int(each.parent.name) for each in (registry / name).glob(f"*/{MODEL_FILE}"))
