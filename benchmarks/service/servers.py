"""The servers that are compared: how each is started, and how it is asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks.service.environments import ROOT, programs
from scoring.model.model import Model

_START_SECONDS = 90.0
_END_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@dataclass
class Server:
    """A server for one model.

    Attributes:
        name: Its name in the table.
        path: Where windows are posted.
        folder: A folder of its own.
        model: The model's file.
        port: Where it listens.
    """

    name: str
    path: str
    folder: Path
    model: Path
    port: int = field(default_factory=free_port)
    variables: dict[str, str] = field(default_factory=dict)
    process: psutil.Process | None = None

    @property
    def cpu_seconds(self) -> float:
        """The processor time that the server has taken so far, with all its processes."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run")
        each = [self.process, *self.process.children(recursive=True)]
        return sum(times.user + times.system for times in (one.cpu_times() for one in each))

    def command(self) -> list[str]:
        raise NotImplementedError

    def body(self, windows: np.ndarray) -> bytes:
        """A request for windows [n, W, fields]."""
        return json.dumps({"windows": windows.tolist()}).encode()

    @contextmanager
    def running(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = self.command()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MODEL_PATH": str(self.model), **self.variables}
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.process = psutil.Process(process.pid)
        try:
            self._wait(process)
            yield
        finally:
            process.terminate()
            process.wait(_END_SECONDS)

    def _wait(self, process: subprocess.Popen) -> None:
        window = np.ones((1, *shape(self.model)))
        window[0, :, 0] = np.arange(1, window.shape[1] + 1)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", self.body(window), {"Content-Type": "application/json"}
        )
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - a fixed http address
                    response.read()
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / "log").read_text()[-6000:]
                    raise RuntimeError(f"{self.name} does not answer: {error}\n{log}") from error
                time.sleep(0.2)


class Ours(Server):
    """The project's service."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "scoring", "serve", str(self.model), "--port", str(self.port)]

    def body(self, windows: np.ndarray) -> bytes:
        return json.dumps([{"rows": window} for window in windows.tolist()]).encode()


class AzureMl(Server):
    """azureml-inference-server-http with a scoring script."""

    def command(self) -> list[str]:
        script = "benchmarks/service/adapters/azureml.py"
        return [str(programs("azureml") / "azmlinfsrv"), "--entry_script", script, "--port", str(self.port)]


class BentoMl(Server):
    """BentoML with adaptive batching."""

    def command(self) -> list[str]:
        self.variables |= {"BENTOML_HOME": str(self.folder), "BENTOML_DO_NOT_TRACK": "True"}
        service = "benchmarks.service.adapters.bento:Scoring"
        listen = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(programs("bentoml") / "python"), "-m", "bentoml", "serve", service, *listen]


class MlFlow(Server):
    """`mlflow models serve`."""

    def command(self) -> list[str]:
        python = str(programs("mlflow") / "python")
        saved = self.folder / "model"
        if not saved.exists():
            script = str(ROOT / "benchmarks/service/adapters/mlflow_model.py")
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            command = [python, script, str(saved), *map(str, shape(self.model))]
            subprocess.run(command, check=True, env=environment, cwd=self.folder, stderr=subprocess.DEVNULL)
        self.variables |= {"PATH": f"{programs('mlflow')}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
        listen = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        return [python, "-m", "mlflow", "models", "serve", "-m", str(saved), "--env-manager", "local", *listen]

    def body(self, windows: np.ndarray) -> bytes:
        return json.dumps({"inputs": windows.tolist()}).encode()


class MlServer(Server):
    """MLServer with adaptive batching."""

    def command(self) -> list[str]:
        grpc, metrics = free_port(), free_port()
        settings = {"host": "127.0.0.1", "http_port": self.port, "grpc_port": grpc, "metrics_port": metrics}
        # Without a process between the server and the model it is faster.
        settings |= {"parallel_workers": 0, "debug": False}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        model = {"name": "turbofan", "implementation": "benchmarks.service.adapters.mlserver_runtime.Scoring"}
        model |= {"max_batch_size": 64, "max_batch_time": 0.001}
        (self.folder / "model-settings.json").write_text(json.dumps(model))
        return [str(programs("mlserver") / "mlserver"), "start", str(self.folder)]

    def body(self, windows: np.ndarray) -> bytes:
        tensor = {
            "name": "telemetry",
            "shape": list(windows.shape),
            "datatype": "FP32",
            "data": windows.ravel().tolist(),
        }
        return json.dumps({"inputs": [tensor]}).encode()


def servers(model: Path, folder: Path) -> list[Server]:
    """Ours, and those that it is compared with."""
    return [
        Ours("ours", "/score", folder / "ours", model),
        AzureMl("azureml", "/score", folder / "azureml", model),
        BentoMl("bentoml", "/predict", folder / "bentoml", model),
        MlFlow("mlflow", "/invocations", folder / "mlflow", model),
        MlServer("mlserver", "/v2/models/turbofan/infer", folder / "mlserver", model),
    ]


def shape(model: Path) -> tuple[int, int]:
    """A window's cycles and fields."""
    signature = Model.load(model).signature
    return signature.window, len(signature.fields)
