"""What a gap before the newest message costs at least: `python -m benchmarks.training.gap`.

A model that is trained on windows with that very gap, and on nothing else, knows all that such windows tell of a life,
as far as estimators of this kind can learn it. What it loses against whole windows is what the messages of the gap
would have said; only what the shipped way (`training.fitting.tearing`) loses beyond that could be won. By
cross-validation over engines; prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold

from training.data.dataset import Dataset, default_directory, load_training
from training.data.windows import FloatArray
from training.estimators.recipe import Recipe
from training.fitting.tearing import torn_copies

LENGTH = 10
FOLDS = 3


def gapped(windows: FloatArray) -> FloatArray:
    """Windows without the messages before the newest."""
    found = windows.copy()
    found[:, -1 - LENGTH : -1] = np.nan
    return found


def line(data: Dataset) -> str:
    """A line of the table: macro-F1 with nothing missing, of the shipped way, and of a model for this gap alone."""
    windows = data.windows()
    pipeline = Recipe().pipeline(data.task)
    features, experts = pipeline[0], pipeline[-1]
    features.learn(data.trajectories.values.astype(np.float32), data.task.window)
    copied, copies = torn_copies(windows, data.task.cycle_column)
    whole, gap, torn = (features.transform(each) for each in (windows, gapped(windows), copies))
    labels, rows = data.task.classes.of(data.rul), np.arange(len(data.rul))
    found: dict[str, NDArray[np.int64]] = {name: np.zeros_like(labels) for name in ("whole", "torn", "gap")}
    for trained, judged in GroupKFold(FOLDS, shuffle=True, random_state=0).split(rows, groups=data.trajectories.units):
        copy = np.isin(copied, trained)
        for name, prognosis, x, rul, asked in (
            ("whole", experts.whole, whole[trained], data.rul[trained], whole),
            ("torn", experts.torn, torn[copy], data.rul[copied[copy]], gap),
            ("gap", experts.whole, gap[trained], data.rul[trained], gap),
        ):
            prognosis.fit(x, rul)
            said = prognosis.predict(asked[judged]).probabilities
            found[name][judged] = said.argmax(axis=1)
    told = [f"{f1_score(labels, each, average='macro'):.3f}" for each in found.values()]
    return f"| {data.name} | {' | '.join(told)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=default_directory())
    parser.add_argument("--subsets", nargs="+", default=["FD001", "FD002", "FD003", "FD004"])
    options = parser.parse_args()
    print("| set | nothing missing | gap, as shipped | gap, a model for this gap alone |\n|---|---|---|---|")
    for subset in options.subsets:
        print(line(load_training(options.data, subset)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
