"""How fast training and its models are: `python benchmarks/training/speed.py MODEL [--data DIR]`.

Prints the time of all features, the size and loading time of the model, one window on one thread, a window in calls of
64, and an explanation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scoring.model.model import Model
from scoring.predictions.explain import explain
from training.data.dataset import default_directory, joined, load_test, load_training
from training.estimators.features import WindowFeatures

CALLS = 2_000
SUBSETS = ("FD001", "FD002", "FD003", "FD004")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, default=default_directory())
    options = parser.parse_args()

    fleet = joined("fleet", [load_training(options.data, subset) for subset in SUBSETS])
    start = time.perf_counter()
    windows = fleet.windows()
    WindowFeatures().fit(windows).transform(windows)
    print(f"windows and features of {len(windows):,} rows: {time.perf_counter() - start:.1f} s")
    del windows

    content = options.model.read_bytes()
    loads = [timed(lambda: Model(content)) for _ in range(5)]
    print(f"{options.model}: {len(content) / 1e6:.2f} MB, loaded and checked in {min(loads):.3f} s")
    model = Model(content)
    test = load_test(options.data, "FD003").windows()
    single = [timed(lambda row=row: model.predict(test[row : row + 1])) for row in range(CALLS)]
    print(f"one window, one thread: {np.median(single) * 1e6:.0f} us (99%: {np.percentile(single, 99) * 1e6:.0f} us)")
    many = [timed(lambda row=row: model.predict(test[row : row + 64])) for row in range(0, CALLS, 64)]
    print(f"a window in calls of 64: {np.median(many) / 64 * 1e6:.0f} us")
    whys = [timed(lambda row=row: explain(model, test[row])) for row in range(0, CALLS, 10)]
    print(f"an explanation: {np.median(whys) * 1e3:.2f} ms (99%: {np.percentile(whys, 99) * 1e3:.2f} ms)")


def timed(call: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
