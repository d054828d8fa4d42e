import gzip

import numpy as np
import pytest

from simulator.engines import cmapss
from simulator.engines.regimes import FaultMode
from simulator.engines.wear import SUBSETS, engines
from simulator.errors import SimulatorError
from tests.simulator.conftest import shared


def table(path):
    return np.array([line.split() for line in path.read_text().splitlines()], dtype=float)


def real(name):
    with gzip.open(shared("data", "cmapss", f"{name}.txt.gz"), "rt") as file:
        return np.loadtxt(file)


def test_the_files_have_the_form_of_nasas(tmp_path):
    train, test, rul, ended = cmapss.write_subset(tmp_path, "FD003", train=5, test=7, seed=3)
    lines = train.read_text().splitlines()
    assert all(len(line.split()) == 26 and line.endswith("  ") for line in lines)
    units = table(train)[:, 0]
    assert set(units) == set(range(1, 6))
    for unit in range(1, 6):
        cycles = table(train)[units == unit, 1]
        assert list(cycles) == list(range(1, len(cycles) + 1))
    assert len(rul.read_text().split()) == 7
    header, *told = ended.read_text().splitlines()
    assert header == "unit,Ended,FailureMode"
    assert {line.split(",", 1)[1] for line in told} <= {"failed,fan", "failed,high-pressure compressor"}
    assert [int(line.split(",")[0]) for line in told] == list(range(1, 6))
    assert set(table(test)[:, 0]) == set(range(1, 8))


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        cmapss.write_subset(tmp_path / folder, "FD003", train=2, test=2, seed=seed)
    names = ["train_FD003.txt", "test_FD003.txt", "RUL_FD003.txt"]
    first, again, other = ([(tmp_path / folder / name).read_bytes() for name in names] for folder in "abc")
    assert first == again
    assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))


def test_the_rul_file_holds_what_was_cut_off_the_test_engines():
    for whole in engines("FD003", 20, 9):
        assert whole.remaining == 0
        assert whole.rul[-1] == 0
    for cut in engines("FD003", 20, 9, truncated=True):
        assert 1 <= cut.remaining <= 145
        assert cut.rul[0] == len(cut.rows) - 1 + cut.remaining


def test_single_fault_subsets_have_worn_compressors_only():
    assert {engine.fault for engine in engines("FD001", 20, 1)} == {FaultMode.HPC}
    assert {engine.fault for engine in engines("FD003", 20, 1)} == {FaultMode.HPC, FaultMode.FAN}


@pytest.mark.whole
@pytest.mark.parametrize("subset", SUBSETS)
def test_sensors_read_as_in_nasas_files(subset, tmp_path):
    """Each sensor's mean and spread when new, and which way and how far it drifts."""
    ours = table(cmapss.write_subset(tmp_path, subset, train=100, test=0)[0])
    theirs = real(f"train_{subset}")
    # One regime: sea level.
    ours, theirs = (rows[np.abs(rows[:, 2]) < 1] for rows in (ours, theirs))
    for sensor in range(5, 26):
        young = [rows[rows[:, 1] < 50, sensor] for rows in (ours, theirs)]
        spread = young[1].std()
        if spread < 0.005:
            assert young[0].mean() == pytest.approx(young[1].mean(), abs=0.02)
        else:
            assert abs(young[0].mean() - young[1].mean()) < spread
            assert 0.4 < young[0].std() / spread < 2.5


def test_telemetry_has_the_tutorials_fields():
    engine = next(engines("FD003", 1, 1))
    messages = list(cmapss.telemetry(engine))
    assert len(messages) == len(engine.rows)
    assert messages[4]["CycleTime"] == 5
    assert list(messages[0])[1:5] == ["OperationalSetting1", "OperationalSetting2", "OperationalSetting3", "Sensor1"]
    assert list(messages[0].values())[1:] == engine.rows[0].tolist()


def test_an_unknown_subset_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(SimulatorError, match=r"FD005.*FD001, FD002, FD003, FD004"):
        cmapss.write_subset(tmp_path, "FD005")


def test_training_and_test_engines_of_one_seed_are_others():
    trained = next(engines("FD003", 1, 1)).rows[:20]
    tested = next(engines("FD003", 1, 1, truncated=True)).rows[:20]
    assert not np.array_equal(trained, tested)
