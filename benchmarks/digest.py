"""What models answer to windows, to the last bit: `python benchmarks/digest.py WINDOWS.npy MODEL...`.

Prints onnxruntime's version and the processor, and for each model the SHA-256 of its answers in calls of 1, 8 and 64
windows. Needs numpy, onnxruntime and `scoring` only, so that it runs on a device; `benchmarks.windows` makes the file.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from scoring.model.model import Model

BATCHES = (1, 8, 64)


def main() -> None:
    """Compute and print."""
    windows, *models = map(Path, sys.argv[1:])
    print(f"onnxruntime {onnxruntime.__version__}, {platform.machine()}")
    for path in models:
        found = {digest(Model.load(path), np.load(windows), batch) for batch in BATCHES}
        print(path.stem, *sorted(found))


def digest(model: Model, windows: np.ndarray, batch: int) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of all answers, in calls of so many windows."""
    found = hashlib.sha256()
    for start in range(0, len(windows), batch):
        outputs = model.predict(windows[start : start + batch])
        found.update(np.hstack(outputs.each()).astype("<f4").tobytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    main()
