"""Test windows to compare answers on: `python -m benchmarks.windows WINDOWS.npy [--data DIR] [--share 0.1]`.

900 of each test set, whole ones mostly; 600 torn; 400 of which a tenth of the values is missing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from training.data.dataset import default_directory, load_test
from training.fitting.tearing import torn_copies

SUBSETS = ("FD001", "FD002", "FD003", "FD004")
OF_EACH, TORN, WITH_HOLES = 900, 600, 400


def main() -> None:
    """Make the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, default=default_directory())
    parser.add_argument("--share", type=float, default=1.0, help="of these windows; default: 1")
    options = parser.parse_args()
    windows = sample(options.data)
    chosen = np.linspace(0, len(windows) - 1, round(len(windows) * options.share)).astype(int)
    np.save(options.out, windows[chosen])
    print(f"{options.out}: {len(chosen)} windows")


def sample(directory: Path) -> np.ndarray:
    """The windows, float32 [4600, W, fields], the same each time."""
    rng = np.random.default_rng(0)
    sets = [load_test(directory, subset).windows() for subset in SUBSETS]
    whole = np.concatenate([each[np.sort(rng.choice(len(each), OF_EACH, replace=False))] for each in sets])
    torn = torn_copies(whole, 0)[1][:TORN]
    holes = whole[rng.choice(len(whole), WITH_HOLES, replace=False)]
    missing = rng.random(holes.shape) < 0.1
    missing[:, :, 0] = False
    holes[missing] = np.nan
    return np.concatenate([whole, torn, holes])


if __name__ == "__main__":
    main()
