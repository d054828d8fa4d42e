from hypothesis import given
from hypothesis import strategies as st

from modules.edge.hub.message import InputMessage

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
