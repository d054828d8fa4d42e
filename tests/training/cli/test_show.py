"""`show` prints records of any form as JSON lines, with the bodies of messages opened."""

import json

import avro.datafile
import avro.io
import pytest

from modules.avrowriter.records import RecordForm, shape
from modules.edge.hub.message import InputMessage
from training.__main__ import main

TOPIC = "devices/edge-1/modules/avrowriter/inputs/raw/%24.cdid=Client_007&%24.mid=m1&site=west"


def shown(capsys, *arguments: str) -> list[dict]:
    assert main(["show", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("form", list(RecordForm))
def test_files_of_avrowriter(tmp_path, capsys, form) -> None:
    path = tmp_path / "05.avro"
    message = InputMessage.from_topic(TOPIC, b'{"CycleTime": 3, "Sensor1": 2.5}')
    with (
        path.open("wb") as file,
        avro.datafile.DataFileWriter(file, avro.io.DatumWriter(), shape(form).schema, "deflate") as writer,
    ):
        for record in shape(form).records(message):
            writer.append(record)
    (found,) = shown(capsys, str(path))
    assert (found["Body"]["CycleTime"], found["Body"]["Sensor1"]) == (3, 2.5)
    if form is RecordForm.CAPTURE:
        assert found["Properties"] == {"site": "west"}
        assert found["SystemProperties"]["connectionDeviceId"] == "Client_007"
    else:
        assert found["ConnectionDeviceId"] == "Client_007"
        assert found["Body"]["Sensor21"] is None


def test_bodies_in_base64_as_text_and_as_whatever_they_are(tmp_path, capsys) -> None:
    path = tmp_path / "hub.json"
    bodies = ["eyJTZW5zb3IxIjogMi41fQ==", '{"Sensor1": 2.5}', {"Sensor1": 2.5}, "no JSON"]
    path.write_text("".join(json.dumps({"Body": each}) + "\n" for each in bodies))
    assert [each["Body"] for each in shown(capsys, str(path))] == [{"Sensor1": 2.5}] * 3 + ["no JSON"]


def test_tables_and_as_many_records_as_are_wanted(tmp_path, capsys) -> None:
    path = tmp_path / "log.csv"
    path.write_text("Machine,Speed\na,1.5\na,\nb,2\n")
    assert shown(capsys, str(path), "--most", "2") == [{"Machine": "a", "Speed": 1.5}, {"Machine": "a", "Speed": None}]


def test_a_file_that_nothing_here_reads_is_named(tmp_path, capsys) -> None:
    (tmp_path / "x.bin").write_bytes(b"x")
    assert main(["show", str(tmp_path / "x.bin")]) == 2
    assert "expected a name that ends in .csv, .ndjson" in capsys.readouterr().err
