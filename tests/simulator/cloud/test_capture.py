"""Captures are files as IoT Hub's routing stores them, and are read as such."""

import base64
import io
import json
from datetime import UTC, datetime

import fastavro
import pytest

from simulator.cloud.capture import PARTITIONS, Batching, Encoding, batches, encoded
from simulator.cloud.upstream import Received

BEGIN = datetime(2026, 12, 1, 10, 4, 30, tzinfo=UTC).timestamp()
BODY = b'{"Sensor1": 2.5}'


def message(number: int, seconds: float, device: str = "Client_001", body: bytes = BODY, **changes) -> Received:
    said = Received(
        seq=number,
        enqueued=BEGIN + seconds,
        device=device,
        module=None,
        output=None,
        message_id=f"m{number}",
        correlation_id=None,
        content_type="application/json",
        content_encoding="utf-8",
        system={"iothub-connection-device-id": device, "userId": "u"},
        properties={"site": "west"},
        body=body,
    )
    return said._replace(**changes)


def ids(batch) -> list[str]:
    return [each.message_id for each in batch.messages]


def test_a_batch_ends_after_its_time_or_its_size() -> None:
    messages = [message(number, seconds) for number, seconds in enumerate((0, 59, 60, 61, 200))]
    assert [ids(each) for each in batches(messages, Batching(seconds=60))] == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    size = len(BODY) + len("sitewest")
    assert [ids(each) for each in batches(messages, Batching(1e9, 2 * size))] == [["m0", "m1"], ["m2", "m3"], ["m4"]]


def test_all_messages_of_a_device_are_in_one_partition_in_their_order() -> None:
    messages = [message(number, number / 10, f"Client_{number % 30:03d}") for number in range(300)]
    found = list(batches(messages, Batching()))
    assert {each.partition for each in found} == set(range(PARTITIONS))
    for device in range(30):
        name = f"Client_{device:03d}"
        of_device = [each for batch in found for each in batch.messages if each.device == name]
        assert [each.seq for each in of_device] == list(range(device, 300, 30))
        assert sum(any(each.device == name for each in batch.messages) for batch in found) == 1


def test_a_files_name_is_that_of_its_hub_partition_and_time() -> None:
    (batch,) = batches([message(1, 0)], Batching())
    assert batch.name("hub-1") == f"hub-1/{batch.partition:02d}/2026/12/01/10/04"
    assert batch.name("hub-1", "{YYYY}-{MM}-{DD}_{HH}{mm}/{iothub}_{partition}") == (
        f"2026-12-01_1004/hub-1_{batch.partition:02d}"
    )


def test_avro_has_the_body_as_it_was_sent_and_what_the_hub_tells() -> None:
    (batch,) = batches([message(1, 0.25, body=b"\xff", module="rulclassifier")], Batching())
    (found,) = fastavro.reader(io.BytesIO(encoded(batch, Encoding.AVRO)))
    assert found == {
        "EnqueuedTimeUtc": "2026-12-01T10:04:30.2500000Z",
        "Properties": {"site": "west"},
        "SystemProperties": {
            "userId": "u",
            "connectionDeviceId": "Client_001",
            "connectionModuleId": "rulclassifier",
            "messageId": "m1",
            "contentType": "application/json",
            "contentEncoding": "utf-8",
            "enqueuedTime": "2026-12-01T10:04:30.2500000Z",
        },
        "Body": b"\xff",
    }


@pytest.mark.parametrize(
    ("changes", "is_open"),
    [
        ({}, True),
        ({"content_type": "application/json; charset=utf-8", "content_encoding": "UTF-8"}, True),
        ({"content_encoding": None}, False),
        ({"content_type": "text/plain"}, False),
        ({"body": b"no JSON"}, False),
    ],
)
def test_json_opens_only_bodies_that_say_that_they_are_json(changes, is_open) -> None:
    (batch,) = batches([message(1, 0, **changes)], Batching())
    found = json.loads(encoded(batch, Encoding.JSON))
    body = changes.get("body", BODY)
    assert found["Body"] == (json.loads(body) if is_open else base64.b64encode(body).decode())
