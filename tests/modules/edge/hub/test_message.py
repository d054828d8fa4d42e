from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.edge.hub.message import InputMessage, with_arrival

TOPIC = "devices/edge-1/modules/rulclassifier/inputs/telemetry/"


def test_system_and_application_properties_are_told_apart() -> None:
    message = InputMessage.from_topic(
        TOPIC + "%24.cdid=edge-1&%24.cmid=source&%24.mid=m1&%24.cid=c1&creationTimeUtc=2026-01-01T00%3A00%3A00.000Z",
        b"{}",
    )
    assert message.input == "telemetry"
    assert message.properties == {"creationTimeUtc": "2026-01-01T00:00:00.000Z"}
    assert (message.device, message.is_from_module, message.correlation_id) == ("edge-1", True, "c1")
    assert message.sender == "edge-1/source"


def test_without_a_correlation_id_answers_are_known_by_the_message_id() -> None:
    assert InputMessage.from_topic(TOPIC + "%24.cdid=Client_001&%24.mid=m1", b"").correlation_id == "m1"


def test_a_leaf_devices_message_is_not_a_modules() -> None:
    assert not InputMessage.from_topic(TOPIC + "%24.cdid=Client_001", b"").is_from_module


def test_a_leaf_device_that_names_a_module_is_a_leaf_device() -> None:
    message = InputMessage.from_topic(TOPIC + "%24.cmid=rulclassifier&%24.cdid=Client_001", b"")
    assert (message.is_from_module, message.sender) == (False, "Client_001")


def test_of_a_name_that_stands_twice_the_hubs_own_value_counts_which_comes_last() -> None:
    message = InputMessage.from_topic(TOPIC + "%24.cdid=edge-1&%24.cmid=forged&%24.cdid=Client_001", b"")
    assert (message.device, message.is_from_module) == ("Client_001", False)


def test_a_message_without_properties_is_read() -> None:
    message = InputMessage.from_topic(TOPIC.rstrip("/"), b"x")
    assert (message.input, message.device, message.properties) == ("telemetry", "", {})


@given(st.text(max_size=60))
def test_any_properties_are_read_without_an_error(encoded: str) -> None:
    assert InputMessage.from_topic(TOPIC + encoded, b"").input == "telemetry"


def made(properties: str) -> str | None:
    found = InputMessage.from_topic(f"devices/e/modules/m/inputs/telemetry/{properties}", b"").created
    return found and found.isoformat()


def test_when_a_source_made_a_message_is_read_from_any_of_the_names_that_it_may_have() -> None:
    noon = "2026-11-30T12:00:00+00:00"
    assert made("%24.ctime=2026-11-30T13%3A00%3A00.0000000%2B01%3A00") == noon
    assert made("iothub-creation-time-utc=2026-11-30T12%3A00%3A00.0000000Z") == noon
    assert made("CreationTimeUtc=2026-11-30T12%3A00%3A00") == noon
    assert made("creationTimeUtc=2026-01-01T00%3A00%3A00Z&%24.ctime=2026-11-30T12%3A00%3A00Z") == noon


@pytest.mark.parametrize("told", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9" * 300, "1764504000", "12:00"])
def test_what_is_no_time_is_passed_over(told) -> None:
    assert made(f"%24.ctime={quote(told)}") is None
    assert made(f"%24.ctime={quote(told)}&creationTimeUtc=2026-11-30T12%3A00%3A00Z") == "2026-11-30T12:00:00+00:00"


@pytest.mark.parametrize("rest", ["", "/", "/a=b", "/%24.arrived=1", "/%24.arrived=x&a=b"])
def test_when_a_message_was_taken_in_is_kept_with_it_and_no_sender_can_say_another_time(rest) -> None:
    topic = f"devices/e/modules/m/inputs/telemetry{rest}"
    found = InputMessage.from_topic(with_arrival(topic, 1_764_504_000.25), b"")
    assert found.arrived is not None
    assert found.arrived.isoformat() == "2025-11-30T12:00:00.250000+00:00"
    assert found.input == "telemetry"
    assert found.properties == ({"a": "b"} if "a=b" in rest else {})


@pytest.mark.parametrize("told", ["", "x", "-1", "9" * 40, "\u0661"])
def test_a_time_that_a_sender_made_up_is_none(told) -> None:
    topic = f"devices/e/modules/m/inputs/telemetry/%24.arrived={quote(told)}"
    assert InputMessage.from_topic(topic, b"").arrived is None
