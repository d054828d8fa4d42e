"""What it costs that engines have not failed: `make censoring`.

Trains on engines of C-MAPSS of which a share was taken out before failure, and judges on the whole test sets: dropping
them, learning from lives that are drawn for them, and counting each last row as a failure, as a table would that says
nothing. Prints a table in Markdown, a line as soon as it is known.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

from training.data.censoring import Scheme, censored, kept_cycles
from training.data.dataset import Dataset, default_directory, load_test, load_training
from training.data.endings import Ending
from training.data.labels import remaining_useful_life
from training.estimators.recipe import Recipe
from training.evaluation.figures import evaluate
from training.export.verify import predict
from training.fitting.fit import fit


def ways(whole: Dataset, share: float, scheme: Scheme) -> dict[str, Dataset]:
    """The same records, by what is made of those that end before failure."""
    kept = kept_cycles(whole.trajectories.ends, share, scheme, np.random.default_rng(0))
    cut = censored(whole, kept)
    cut = dataclasses.replace(cut, rul=remaining_useful_life(cut.trajectories))
    return {
        "lives drawn": cut,
        "dropped": cut.of(cut.failed),
        "last row counted as failure": dataclasses.replace(cut, endings=(Ending.FAILED,) * len(kept)),
    }


def line(name: str, told: str, data: Dataset, test: Dataset, jobs: int) -> str:
    """A line of the table."""
    fitted = fit(Recipe(), data, lambda *_: None, jobs)
    said = predict(fitted.pipeline, test.windows())
    figures = evaluate(said, test, data.task.classes, data.task.cap, fitted.pipeline[-1].grades_.curve)
    return f"| {name} | {told} | {figures.rmse_last:.2f} | {figures.rmse:.2f} | {figures.macro_f1:.3f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default_directory())
    parser.add_argument("--subsets", nargs="+", default=["FD001", "FD002", "FD003", "FD004"])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.3, 0.5, 0.8])
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    print("| set | not failed | RMSE, last cycle | RMSE, every cycle | macro-F1 |\n|---|---|---|---|---|")
    for subset in options.subsets:
        whole, test = load_training(options.data, subset), load_test(options.data, subset)
        print(line(subset, "none", whole, test, options.jobs), flush=True)
        for share in options.shares:
            for scheme in Scheme:
                for way, data in ways(whole, share, scheme).items():
                    told = f"{share:.0%}, {scheme}: {way}"
                    print(line(subset, told, data, test, options.jobs), flush=True)


if __name__ == "__main__":
    sys.exit(main())
