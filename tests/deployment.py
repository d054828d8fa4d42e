"""The real deployment on the simulator's edge runtime, with a small model and a short telemetry file, for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from demo.deployment import deployment
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.prediction import Prediction
from scoring.telemetry.record import Telemetry
from scoring.wire.cmapss import Trajectories, write_trajectories
from simulator import shipped
from simulator.cloud.upstream import Received
from simulator.engines.wear import engines as simulated
from simulator.runtime import Runtime
from tests.onnx_models import tiny_model
from tests.waiting import until

RETRY_SECONDS = 0.1


class Deployment:
    """A folder with a model and telemetry, and the runtime that deployment.template.json describes over it.

    A model of a file gets telemetry of simulated engines: what no engine sends counts as missing to a real one.
    """

    def __init__(self, folder: Path, engines: int = 4, cycles: int = 50, model: bytes | Path | None = None) -> None:
        self.folder = folder
        self.units = np.repeat(np.arange(1, engines + 1), cycles)
        self.cycles = np.tile(np.arange(1, cycles + 1), engines)
        values = np.random.default_rng(1).uniform(10, 120, (len(self.units), 25)).round(4)
        values[:, 0] = self.cycles
        if isinstance(model, Path):
            lives = (np.resize(each.rows, (cycles, 24)) for each in simulated("FD003", engines, 1))
            values[:, 1:] = np.concatenate(list(lives))
        self.trajectories = Trajectories(self.units, self.cycles, values)
        write_trajectories(folder / "test_FD003.txt", self.trajectories)
        content = model.read_bytes() if isinstance(model, Path) else model
        (folder / "model.onnx").write_bytes(content or tiny_model())

    def __len__(self) -> int:
        return len(self.units)

    def content(self, rate: float = 0.0, template: Path = shipped.TEMPLATE) -> dict[str, Any]:
        """The manifest."""
        files = self.folder / "model.onnx", self.folder / "test_FD003.txt", self.folder / "state"
        return deployment(*files, rate, template_path=template)

    def runtime(
        self,
        rate: float = 0.0,
        environment: Mapping[str, Mapping[str, str]] | None = None,
        template: Path = shipped.TEMPLATE,
        **kwargs,
    ) -> Runtime:
        content = self.content(rate, template)
        return Runtime(content, self.folder / "home", environment=environment, backoff=RETRY_SECONDS, **kwargs)

    def expected(self) -> dict[tuple[str, int], dict]:
        """What an undisturbed classifier says of each engine and cycle."""
        return {key: answer.record() for key, answer in self.answers().items()}

    def answers(self) -> dict[tuple[str, int], Prediction]:
        """The same, before it is made a record."""
        classifier = Classifier(Model((self.folder / "model.onnx").read_bytes()))
        rows = np.lexsort((self.units, self.cycles))
        records = [
            Telemetry(
                f"Client_{self.units[row]:03d}",
                int(self.cycles[row]),
                self.trajectories.values[row].astype(np.float32),
            )
            for row in rows
        ]
        return {(a.telemetry.engine, a.telemetry.cycle): a for a in classifier.score(records)}


async def answered(runtime: Runtime, count: int) -> list[Received]:
    """All that is upstream, once that many different readings are answered and the replay has ended."""
    source = f"{runtime.hub.device}/telemetrysource"
    needed = count
    while True:
        await runtime.upstream.arrived(needed)
        await until(lambda: runtime.upstream.twin(source).reported.get("replay", {}).get("ended"), 240.0)
        seen = runtime.upstream.count
        messages = runtime.upstream.messages()
        missing = count - len({each.correlation_id for each in messages})
        if missing <= 0:
            return messages
        # Not looked at before as many more have come: reading all of them holds up the hub.
        needed = seen + missing


def by_output(messages: list[Received], output: str) -> dict[str, Received]:
    """The messages of one output by their ids; a repeat counts once."""
    return {each.message_id: each for each in messages if each.output == output}
