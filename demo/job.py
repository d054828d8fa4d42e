"""What the demo is to do, and the engines and the model that it does it with."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from demo.errors import DemoError
from scoring.model.file import read_signature
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.cmapss import Trajectories, find, write_trajectories
from training.data.dataset import Dataset, load_test
from training.data.labels import Classes


@dataclass(frozen=True)
class MainJob:
    """What is asked for.

    Attributes:
        data: The directory of C-MAPSS files.
        subset: Which of its four data sets.
        out: The directory that takes the model, logs and state.
        rate: Readings a second for all engines together, 0 for no limit.
        corrupt_share: Spoilt messages for each whole one.
        model: The model to deploy; None: one is trained.
        most_engines: How many test engines are fed at most; None: all.
    """

    data: Path
    subset: str
    out: Path
    rate: float
    corrupt_share: float
    model: Path | None = None
    most_engines: int | None = None

    def with_engines(self, console: Console) -> MainJob:
        """The same with simulated engines where there is no data."""
        needed = ("test",) if self.model else ("train", "test")
        if all(list(self.data.glob(f"{kind}_{self.subset}.txt*")) for kind in needed):
            return self
        console.print(
            f"no {self.subset} in {self.data}: engines are simulated; `python -m training fetch` brings the real ones",
            soft_wrap=True,
        )
        simulated = replace(self, data=self.out / "engines")
        _run("simulator", "engines", "--out", simulated.data, "--subset", self.subset, "--train", "80", "--test", "40")
        return simulated

    def with_model(self) -> tuple[Path, Classes]:
        """The model file and its RUL classes, once it is trained where none is given.

        Raises:
            ModelError: The given file is no model that can be served.
            DemoError: It is a model of other telemetry, or tells no RUL classes; or the training failed.
        """
        model = self.model
        if model is None:
            model = self.out / "model.onnx"
            _run("training", "fit", "--data", self.data, "--subset", self.subset, "--out", model)
        signature = read_signature(model)
        if signature.field_names != tuple(field.name for field in FIELDS) or not signature.edges:
            raise DemoError(
                f"{model} is no model of RUL classes by C-MAPSS telemetry, which is what the demo feeds; "
                "give another by --model"
            )
        return model, Classes(signature.classes, signature.edges)

    def test_engines(self) -> tuple[Path, Dataset]:
        """The telemetry file that is replayed, and the same with the truth.

        Raises:
            DataError: There is no such file.
        """
        truth = load_test(self.data, self.subset)
        name = f"test_{self.subset}.txt"
        if self.most_engines is None:
            return find(self.data, name), truth
        all_of = truth.trajectories
        fed = all_of.units <= self.most_engines
        few = Trajectories(all_of.units[fed], all_of.cycles[fed], all_of.values[fed])
        write_trajectories(self.out / name, few)
        return self.out / name, replace(truth, trajectories=few, rul=truth.rul[fed])


def _run(package: str, *arguments: object) -> None:
    command = [sys.executable, "-m", package, *map(str, arguments)]
    with subprocess.Popen(command) as process:  # noqa: S603 - our own
        try:
            code = process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
    if code:
        raise DemoError(f"`python -m {package} {arguments[0]}` ended with {code}; what it says is above")
