import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from hypothesis import given
from hypothesis import strategies as st

from scoring.__main__ import main
from scoring.batch import job
from scoring.batch.entry import BatchError
from scoring.batch.inputs import Inputs
from scoring.batch.text import read_csv
from scoring.cli import batch as command
from scoring.errors import TableError
from scoring.model.curve import Curve
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.telemetry.record import Telemetry
from scoring.wire.items import ItemParser
from tests.onnx_models import record, signature, tiny_model
from tests.scoring.batch import files


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_model())
    return path


@pytest.fixture
def small_parts(monkeypatch) -> int:
    for module in (command, job):
        monkeypatch.setattr(module, "PART_ENTRIES", 10)
    return 10


def of(engine: str, cycle: int, rul: float = 100.0, **changes) -> dict:
    return record(cycle, rul, ConnectionDeviceId=engine, **changes)


def telemetry(engines: int = 3, cycles: int = 15) -> list[dict]:
    return [
        of(f"Client_{n:03}", cycle, 20.0 + 7 * n + cycle)
        for cycle in range(1, cycles + 1)
        for n in range(1, engines + 1)
    ]


def expected(model_path: Path, records: list[dict]) -> list[dict]:
    classifier = Classifier(Model.load(model_path))
    checked = ItemParser(classifier.model.signature).check_each(records)
    return [each.record() for each in classifier.score(checked)]


def score(model_path: Path, given: Path | str, output: Path | str, *options: str) -> int:
    return main(["batch", str(given), str(output), "--model", str(model_path), *options])


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.ndjson", files.write_ndjson),
        ("t.csv", files.write_csv),
        ("t.parquet", files.write_parquet),
        ("t.txt", files.write_cmapss),
        ("t.avro", files.write_capture),
        ("archive.avro", files.write_archive),
    ],
)
def test_a_file_in_each_format_is_scored_as_its_messages_one_after_the_other(tmp_path, model_path, name, write) -> None:
    records = telemetry()
    assert score(model_path, write(tmp_path / name, records), tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, "p.ndjson"])


def test_a_trajectory_becomes_a_prediction_for_each_of_its_messages(tmp_path, model_path) -> None:
    records = [of("a", cycle, 100.0 - cycle) for cycle in range(1, 31)]
    trajectory = {"ConnectionDeviceId": "a", "rows": records, "each": True}
    (tmp_path / "t.ndjson").write_text(json.dumps(trajectory) + "\n" + json.dumps([trajectory, of("b", 1)]) + "\n")
    assert score(model_path, tmp_path / "t.ndjson", tmp_path / "predictions.ndjson") == 0
    of_one = expected(model_path, records)
    assert lines(tmp_path / "predictions.ndjson") == [*of_one, *of_one, *expected(model_path, [of("b", 1)])]


def test_predictions_are_the_same_in_each_format(tmp_path, model_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", telemetry())
    for name in ("p.ndjson", "p.csv", "p.parquet", "p.ndjson.gz"):
        assert score(model_path, given, tmp_path / name) == 0
    records = lines(tmp_path / "p.ndjson")
    assert pq.read_table(tmp_path / "p.parquet").to_pylist() == records
    assert gzip.decompress((tmp_path / "p.ndjson.gz").read_bytes()) == (tmp_path / "p.ndjson").read_bytes()
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(each["Probabilities.F25"]) for each in rows] == [each["Probabilities"]["F25"] for each in records]
    for name in ("ConnectionDeviceId", "CycleTime", "PredictedRul", "RulClass", "ModelVersion"):
        assert [each[name] for each in rows] == [str(each[name]) for each in records]


def test_predictions_say_how_likely_an_engine_lasts_if_that_is_asked(tmp_path, model_path, capsys) -> None:
    (tmp_path / "curve.onnx").write_bytes(tiny_model(signature(curve=Curve((10.0, 30.0), (40.0, 60.0)))))
    files.write_ndjson(tmp_path / "in.ndjson", [of("Client_001", 1)])
    run = ["batch", str(tmp_path / "in.ndjson"), str(tmp_path / "out.csv"), "--model"]
    assert main([*run, str(tmp_path / "curve.onnx"), "--chance-to-last", "20,45"]) == 0
    (row,) = csv.DictReader((tmp_path / "out.csv").read_text().splitlines())
    assert (row["RulMiddle"], row["ChanceToLast.20"], row["ChanceToLast.45"]) == ("200.0", "0.625", "0.1875")
    assert main([*run, str(model_path), "--chance-to-last", "20"]) == 2
    assert "tiny does not tell how likely an engine lasts another number of cycles" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main([*run, str(model_path), "--chance-to-last", "soon"])
    assert "'soon', expected `curve`, or up to 16 different numbers of cycles" in capsys.readouterr().err


def test_files_of_a_folder_and_of_a_pattern_are_one_input_in_the_order_of_their_names(tmp_path, model_path) -> None:
    records = telemetry()
    for hour, part in (("01", records[:20]), ("02", records[20:])):
        (tmp_path / "hub" / hour).mkdir(parents=True)
        files.write_capture(tmp_path / "hub" / hour / "00.avro", part)
    for number, where in enumerate((tmp_path / "hub", tmp_path / "hub" / "*" / "*.avro")):
        assert score(model_path, where, tmp_path / f"{number}.ndjson") == 0
        assert lines(tmp_path / f"{number}.ndjson") == expected(model_path, records)


def test_urls_of_any_file_system_are_read_and_written(model_path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/in/t.ndjson.gz", gzip.compress(files.ndjson(telemetry())))
    assert score(model_path, "memory://in/t.ndjson.gz", "memory://out/p.ndjson") == 0
    found = [json.loads(line) for line in memory.cat_file("/out/p.ndjson").splitlines()]
    assert found == expected(model_path, telemetry())
    memory.rm("/", recursive=True)


def test_what_cannot_be_scored_goes_to_the_dead_letters_with_reason_and_original(tmp_path, model_path, capsys) -> None:
    given = files.write_ndjson(
        tmp_path / "t.ndjson",
        [
            of("a", 50),
            b"{",
            of("a", 51, Sensor3="x"),
            of("a", 2),
            b"",
            b"\xff",
            b"9" * 300_000,
            [of("a", 52), 3],
            of("a", 53),
        ],
    )
    assert score(model_path, given, tmp_path / "p.ndjson") == 0
    assert [each["CycleTime"] for each in lines(tmp_path / "p.ndjson")] == [50, 52, 53]
    dead = lines(tmp_path / "p.ndjson.deadletter.ndjson")
    assert [(each["Number"], each["Reason"]) for each in dead] == [
        (2, "not_json"),
        (3, "wrong_type"),
        (4, "stale_cycle"),
        (6, "not_utf8"),
        (7, "too_large"),
        (8, "not_a_record"),
    ]
    assert json.loads(dead[1]["Original"])["Sensor3"] == "x"
    assert (dead[1]["Field"], dead[1]["File"], dead[3]["OriginalBase64"]) == ("Sensor3", str(given), "/w==")
    assert "6 could not be scored" in capsys.readouterr().out


def test_bad_rows_of_tables_are_told_by_their_number(tmp_path, model_path) -> None:
    text = files.write_csv(tmp_path / "t.csv", telemetry(1, 4)).read_text().splitlines()
    text[2] = text[2].replace("1.0", "n/a", 1)
    text[3] += ",9"
    (tmp_path / "t.csv").write_text("\n".join(text))
    assert score(model_path, tmp_path / "t.csv", tmp_path / "p.ndjson") == 0
    assert [each["CycleTime"] for each in lines(tmp_path / "p.ndjson")] == [1, 4]
    dead = lines(tmp_path / "p.ndjson.deadletter.ndjson")
    assert [(each["Number"], each["Reason"]) for each in dead] == [(3, "wrong_type"), (4, "not_a_record")]


def test_an_absent_value_is_an_empty_cell_a_null_or_the_nan_of_a_table(tmp_path, model_path) -> None:
    rows = [of("a", 1), of("a", 2, Sensor2=None), of("a", 3)]
    nan = [{**each, "Sensor2": float("nan") if each["Sensor2"] is None else each["Sensor2"]} for each in rows]
    given = [
        files.write_csv(tmp_path / "t.csv", rows),
        files.write_parquet(tmp_path / "t.parquet", rows),
        files.write_parquet(tmp_path / "nan.parquet", nan),
    ]
    for path in given:
        assert score(model_path, path, tmp_path / f"{path.name}.ndjson") == 0
        assert lines(tmp_path / f"{path.name}.ndjson") == expected(model_path, rows)


def test_the_engine_of_records_that_name_none_can_be_given(tmp_path, model_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", [record(1), record(2)])
    assert score(model_path, given, tmp_path / "p.ndjson", "--engine", "Client_009") == 0
    assert [each["ConnectionDeviceId"] for each in lines(tmp_path / "p.ndjson")] == ["Client_009"] * 2
    assert score(model_path, given, tmp_path / "q.ndjson") == 3
    assert {each["Field"] for each in lines(tmp_path / "q.ndjson.deadletter.ndjson")} == {"ConnectionDeviceId"}


def test_a_run_that_refused_all_it_was_given_ends_with_3_and_the_commonest_reason(tmp_path, model_path, capsys) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", [b"{", record(1), b"["])
    assert score(model_path, given, tmp_path / "p.ndjson") == 3
    assert lines(tmp_path / "p.ndjson") == []
    dead = f"{tmp_path / 'p.ndjson'}.deadletter.ndjson"
    assert f"3 could not be scored (100.0%), 2 of them not_json; see {dead}\n" in capsys.readouterr().out


@pytest.mark.parametrize(("share", "status"), [("0.24", 3), ("0.25", 0), ("1", 0), ("0", 3)])
def test_a_job_says_how_much_may_be_refused(tmp_path, model_path, capsys, share, status) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", [*(of("a", cycle) for cycle in (1, 2, 3)), b"{"])
    assert score(model_path, given, tmp_path / "p.ndjson", "--most-refused", share) == status
    assert len(lines(tmp_path / "p.ndjson")) == 3
    assert "1 could not be scored (25.0%), all of them not_json; see" in capsys.readouterr().out


def test_an_input_without_a_message_is_no_failure(tmp_path, model_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", [b"", b" "])
    assert score(model_path, given, tmp_path / "p.ndjson", "--most-refused", "0") == 0


@pytest.mark.parametrize("after", range(1, 14))
def test_a_run_that_broke_off_at_any_write_goes_on_without_loss_or_double(
    tmp_path, model_path, monkeypatch, small_parts, after
) -> None:
    records = telemetry()
    records[12] = {**records[12], "Sensor1": "x"}
    given = files.write_ndjson(tmp_path / "t.ndjson", records)
    move = LocalFileSystem.mv
    moves = 0

    def breaking(files, *args, **kwargs):
        nonlocal moves
        moves += 1
        if moves == after:
            raise OSError("the disk is gone")
        return move(files, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "mv", breaking)
        assert score(model_path, given, tmp_path / "p.ndjson") == 2
    valid = [each for each in records if each["Sensor1"] != "x"]
    answers = expected(model_path, valid)
    scored = []
    inner = Classifier.predict
    monkeypatch.setattr(Classifier, "predict", lambda self, batch: scored.extend(batch.engines) or inner(self, batch))
    assert score(model_path, given, tmp_path / "p.ndjson") == 0
    assert lines(tmp_path / "p.ndjson") == answers
    assert [each["Number"] for each in lines(tmp_path / "p.ndjson.deadletter.ndjson")] == [13]
    assert not (tmp_path / "p.ndjson.parts").exists()
    done_before = max(0, (after - 2) // 2) * small_parts
    assert len(scored) <= max(0, len(records) - done_before)


@pytest.mark.whole
def test_a_killed_run_goes_on(tmp_path, model_path) -> None:
    records = telemetry(20, 1000)
    given = files.write_ndjson(tmp_path / "t.ndjson", records)
    arguments = [
        sys.executable,
        "-m",
        "scoring",
        "batch",
        str(given),
        str(tmp_path / "p.ndjson"),
        "--model",
        str(model_path),
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "p.ndjson.parts" / "00000001.ndjson").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "p.ndjson").exists()
    subprocess.run(arguments, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert lines(tmp_path / "p.ndjson") == expected(model_path, records)


def test_parts_of_another_run_and_outputs_that_exist_are_left_alone(tmp_path, model_path, capsys) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", telemetry())
    output = tmp_path / "p.ndjson"
    job.Job(str(output), {"model": "another"}, {})
    assert score(model_path, given, output) == 2
    assert "holds parts of a run with another input, model or options; delete it" in capsys.readouterr().err
    for path in (output, tmp_path / "q.ndjson"):
        path.write_text("mine")
    assert score(model_path, given, tmp_path / "q.ndjson") == 2
    assert "q.ndjson exists; delete it" in capsys.readouterr().err
    assert output.read_text() == "mine"


def test_an_input_that_has_changed_is_another_input(tmp_path, model_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", telemetry())
    before = Inputs(str(given)).describe()
    assert Inputs(str(given)).describe() == before
    os.utime(given, (1, 1))
    assert Inputs(str(given)).describe() != before


def spoilt(content: bytes, at: int) -> bytes:
    return content[:at] + bytes(0xFF ^ each for each in content[at : at + 9]) + content[at + 9 :]


UNREADABLE = {
    "absent.csv": (None, "cannot be read"),
    "t.xlsx": (b"", "expected a name that ends in .csv"),
    "lacking.csv": (b"CycleTime,Sensor1\n1,2\n", "there is no column OperationalSetting1"),
    "twice.csv": (",".join([*files.COLUMNS, "Sensor20"]).encode(), "the column Sensor20 stands there twice"),
    "wide.csv": ("a,b\n".encode("utf-16"), "it is UTF-16 or UTF-32; save it as UTF-8"),
    "wide.ndjson": (b"\xfe\xff" + "{}\n".encode("utf-16-be"), "it is UTF-16 or UTF-32"),
    "t.parquet": (b"PAR1", "it is no readable Parquet file"),
    "t.avro": (b"Obj\x01", "it is no readable Avro file"),
    "t.ndjson.gz": (b"{}", "t.ndjson.gz cannot be read: "),
    "half.ndjson.gz": (gzip.compress(b"{}\n" * 9999)[:-20], "half.ndjson.gz cannot be read: "),
    "spoilt.ndjson.gz": (spoilt(gzip.compress(b"{}\n" * 9999), 20), "spoilt.ndjson.gz cannot be read: "),
    "t.csv.xz": (b"x", "t.csv.xz cannot be read: "),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_ends_the_run_with_its_name(tmp_path, model_path, capsys, name) -> None:
    content, message = UNREADABLE[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert score(model_path, tmp_path / name, tmp_path / "p.ndjson") == 2
    told = capsys.readouterr().err
    assert message in told
    assert name in told
    assert told.count("\n") == 1


def test_an_output_whose_format_is_unknown_is_told_before_anything_is_scored(tmp_path, model_path, capsys) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", telemetry())
    assert score(model_path, given, tmp_path / "p.xlsx") == 2
    assert "expected a name that ends in .csv, .ndjson, .jsonl or .parquet" in capsys.readouterr().err
    assert not (tmp_path / "p.xlsx.parts").exists()


cells = st.one_of(
    st.floats(allow_nan=False, width=32).map(str), st.text(max_size=6), st.just(""), st.integers().map(str)
)


@pytest.mark.whole
@given(st.lists(st.lists(cells, min_size=24, max_size=28), max_size=4), st.binary(max_size=30))
def test_no_csv_raises_anything_but_its_reason(rows: list[list[str]], end: bytes) -> None:
    text = "\n".join(",".join(row) for row in [files.COLUMNS, *rows]).encode("utf-8", "surrogatepass") + b"\n" + end
    for entry in read_csv(io.BytesIO(text), ItemParser(signature())):
        for item in entry.items:
            assert not isinstance(item, Telemetry) or not np.isinf(item.values).any()


@given(st.binary(max_size=60))
def test_no_header_raises_anything_but_what_it_lacks(header: bytes) -> None:
    told = "^(there is no column CycleTime|it is UTF-16)"
    with (
        pytest.raises((BatchError, TableError), match=told)
        if header.strip() not in (b"", b"\xef\xbb\xbf")
        else nullcontext()
    ):
        assert list(read_csv(io.BytesIO(header), ItemParser(signature()))) == []


def test_a_cmapss_file_that_was_cut_within_its_last_number_ends_the_run_with_one_line(tmp_path, model_path, capsys):
    given = tmp_path / "cut.txt"
    files.write_cmapss(given, [{**record(cycle), "ConnectionDeviceId": "Client_001"} for cycle in (1, 2)])
    given.write_bytes(given.read_bytes().rstrip()[:-1])
    assert main(["batch", str(given), str(tmp_path / "p.csv"), "--model", str(model_path)]) == 2
    (told,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("error: "))
    assert "the last line has no end, so that its last number may have been cut" in told
    assert not (tmp_path / "p.csv").exists()
