"""What a change of a model's constants does to its answers."""

from collections.abc import Collection

import numpy as np

from scoring.model.model import Model
from training.export.proof import changed_files
from training.export.verify import predict_by_graph
from training.fitting.tearing import torn_copies


def effects(content: bytes, changes: Collection[tuple[str, float]], windows: np.ndarray) -> dict[str, float]:
    """By change, the largest difference of an answer to the windows or torn copies of them, as a device counts it."""
    windows = np.concatenate([windows, torn_copies(windows, 0)[1]])
    expected = predict_by_graph(Model(content), windows).each()
    scales = [max(1.0, float(np.abs(each).max(initial=0))) for each in expected]
    found = {}
    for name, factor, changed in changed_files(content):
        if (name, factor) in changes:
            answers = zip(predict_by_graph(Model(changed), windows).each(), expected, scales, strict=True)
            found[f"{name} x {factor:g}"] = max(float(np.abs(a - b).max(initial=0)) / scale for a, b, scale in answers)
    return found
