"""Calls of several model files side by side, in one run: `python benchmarks/training/calls.py MODEL MODEL...`.

Prints the median of a call with one and with 64 whole windows of test_FD003, and how many times the first file's it is.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from scoring.model.model import Model
from training.data.dataset import default_directory, load_test

ROUNDS = {1: 400, 64: 40}
REPEATED = 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, default=default_directory())
    options = parser.parse_args()
    models = [Model.load(path) for path in options.models]
    windows = load_test(options.data, "FD003").windows()
    whole = windows[~np.isnan(windows).any(axis=(1, 2))]
    for count, rounds in ROUNDS.items():
        times = np.empty((rounds, REPEATED, len(models)))
        for number in range(rounds):
            chosen = whole[number * count % (len(whole) - count) :][:count]
            for place, model in enumerate(models):
                for repeat in range(REPEATED):
                    start = time.perf_counter()
                    model.predict(chosen)
                    times[number, repeat, place] = time.perf_counter() - start
        medians = np.median(times, axis=(0, 1))
        for path, median in zip(options.models, medians.tolist(), strict=True):
            print(f"{count} of {path}: {median * 1e6:.0f} us, x{median / medians[0]:.2f}")


if __name__ == "__main__":
    main()
