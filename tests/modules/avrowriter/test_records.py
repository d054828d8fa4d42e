"""Records are those of IoT Hub's capture, or those that the tutorial's reader takes."""

import io
import json
import math

import avro.datafile
import avro.io
import fastavro
import pytest

from modules.avrowriter.records import RecordForm, shape
from modules.edge.hub.message import InputMessage
from scoring.batch.capture import read_capture
from scoring.errors import InvalidTelemetry
from scoring.telemetry.turbofan import FIELDS
from scoring.wire.items import ItemParser
from tests.onnx_models import record, signature

TOPIC = "devices/edge-1/modules/avrowriter/inputs/archive/%24.cdid=Client_007&%24.mid=m1&%24.cid=c1"
TOPIC += "&%24.ct=application%2Fjson&%24.ce=utf-8"
TOPIC += "&%24.ctime=2026-11-30T10%3A00%3A00.001Z&%24.arrived=1764496800002&site=west%20%26%20north"
# As the tutorial's module avroFileWriter has it, but for the order of the body's fields.
TUTORIAL = {
    "name": "EngineData",
    "type": "record",
    "namespace": "turbofan",
    "fields": [
        *(
            {"name": name, "type": "string"}
            for name in ("CorrelationId", "ConnectionDeviceId", "CreationTimeUtc", "EnqueuedTimeUtc")
        ),
        {
            "name": "Body",
            "type": {
                "name": "Body",
                "type": "record",
                "fields": [
                    {"name": name, "type": "float"}
                    for name in sorted([*(each.name for each in FIELDS), "DeviceId", "PredictedRul"], reverse=True)
                ],
            },
        },
    ],
}


def message(body: bytes) -> InputMessage:
    return InputMessage.from_topic(TOPIC, body)


def file_of(form: RecordForm, *messages: InputMessage) -> io.BytesIO:
    said = shape(form)
    file = io.BytesIO()
    writer = avro.datafile.DataFileWriter(file, avro.io.DatumWriter(), said.schema, "deflate")
    for each in messages:
        for found in said.records(each):
            writer.append(found)
    writer.flush()
    file.seek(0)
    return file


def test_a_capture_holds_the_body_and_all_that_the_hub_tells() -> None:
    body = b"\x00\xff whatever came"
    (found,) = fastavro.reader(file_of(RecordForm.CAPTURE, message(body)))
    assert found == {
        "EnqueuedTimeUtc": "2025-11-30T10:00:00.0020000Z",
        "Properties": {"site": "west & north"},
        "SystemProperties": {
            "connectionDeviceId": "Client_007",
            "messageId": "m1",
            "correlationId": "c1",
            "contentType": "application/json",
            "contentEncoding": "utf-8",
            "creationTimeUtc": "2026-11-30T10:00:00.001Z",
            "enqueuedTime": "2025-11-30T10:00:00.0020000Z",
        },
        "Body": body,
    }


def test_scoring_reads_a_capture_as_it_reads_iot_hubs() -> None:
    parser = ItemParser(signature())
    entries = list(read_capture(file_of(RecordForm.CAPTURE, message(json.dumps(record(3)).encode())), parser))
    (item,) = entries[0].items
    assert (item.engine, item.cycle) == ("Client_007", 3)


def test_the_tutorials_reader_reads_the_flat_form() -> None:
    body = json.dumps([{**record(3, 2.5), "PredictedRul": 87.25}, {**record(4), "Sensor21": None}]).encode()
    first, second = fastavro.reader(file_of(RecordForm.TUTORIAL, message(body)), reader_schema=TUTORIAL)
    assert {name: value for name, value in first.items() if name != "Body"} == {
        "CorrelationId": "c1",
        "ConnectionDeviceId": "Client_007",
        "CreationTimeUtc": "2026-11-30T10:00:00.0010000Z",
        "EnqueuedTimeUtc": "2025-11-30T10:00:00.0020000Z",
    }
    assert [first["Body"][name] for name in ("CycleTime", "Sensor1", "PredictedRul", "DeviceId")] == [3, 2.5, 87.25, 7]
    assert {name for name, value in second["Body"].items() if math.isnan(value)} == {"Sensor21", "PredictedRul"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff", "not_utf8"),
        (b"{", "not_json"),
        (b"[]", "empty"),
        (b"[1]", "not_a_record"),
        (b'{"Sensor1": "2"}', "not_a_number"),
        (b'{"Sensor1": 3.5e38}', "not_a_number"),
        (b'{"Sensor1": true}', "not_a_number"),
        (b'{"a": 1, "a": 2}', "duplicate_field"),
        (b" " * 262_145, "too_large"),
    ],
)
def test_what_is_no_reading_is_refused_by_the_flat_form_and_captured_all_the_same(body, reason) -> None:
    with pytest.raises(InvalidTelemetry) as refused:
        list(shape(RecordForm.TUTORIAL).records(message(body)))
    assert refused.value.reason == reason
    (found,) = shape(RecordForm.CAPTURE).records(message(body))
    assert found["Body"] == body
