"""`capture`: from devices to files to training, as by IoT Hub's routing to storage."""

import json

import numpy as np
import pytest

from simulator.__main__ import main
from simulator.runtime import Runtime
from tests.deployment import Deployment
from training.__main__ import main as training
from training.data.readings import load_readings
from training.data.task import CMAPSS


@pytest.mark.parametrize("encoding", ["avro", "json"])
async def test_training_reads_of_a_capture_what_the_devices_sent(tmp_path, capsys, encoding) -> None:
    made = Deployment(tmp_path, engines=4, cycles=30)
    content = made.content()
    routes = content["modulesContent"]["$edgeHub"]["properties.desired"]["routes"]
    routes["raw"] = "FROM /messages/modules/telemetrysource/outputs/telemetry INTO $upstream"
    del routes["telemetryToClassifier"]
    async with Runtime(content, tmp_path / "home") as runtime:
        await runtime.upstream.arrived(len(made))
    out = tmp_path / "captured"
    command = ["capture", "--home", str(tmp_path / "home"), "--out", str(out), "--encoding", encoding]
    assert main([*command, "--megabytes", "0.02"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{len(made)} messages in ")
    assert len(list(out.rglob(f"simulated/*/*/*/*/*/*.{encoding}"))) > 1
    data, passed = load_readings([str(out)], CMAPSS)
    assert list(passed.told()) == []
    assert data.trajectories.units.tolist() == made.trajectories.units.tolist()
    # To the last digit of the text.
    np.testing.assert_array_equal(data.trajectories.values, made.trajectories.values.astype(np.float32))
    assert training(["show", str(out), "--most", "1"]) == 0
    assert "Sensor21" in json.loads(capsys.readouterr().out)["Body"]


def test_a_home_where_nothing_ran_is_named(tmp_path, capsys) -> None:
    assert main(["capture", "--home", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "has a runtime run in" in capsys.readouterr().err
