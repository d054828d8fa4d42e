"""The seam with the SDK, on a client of its own that has not connected."""

import asyncio
import gc
import inspect
import re
from types import SimpleNamespace

import pytest
from azure.iot.device import Message
from azure.iot.device.aio import IoTHubModuleClient
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.edge.hub import sdk
from tests.places import ROOT

KEY = "c2VjcmV0"
INPUT = "devices/edge/modules/m/inputs/telemetry/"
pytestmark = [
    pytest.mark.filterwarnings("ignore:ssl.PROTOCOL_TLSv1_2 is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),
]


@pytest.fixture(scope="module")
def client():
    made = IoTHubModuleClient.create_from_connection_string(
        f"HostName=hub.example;DeviceId=edge;ModuleId=m;SharedAccessKey={KEY}"
    )
    yield made
    asyncio.run(made.shutdown())
    # What the SDK has left open is found here, not in another test.
    del made
    gc.collect()


class Hub:
    """Delivers inputs as paho would: the SDK's handler, then the acknowledgement."""

    def __init__(self, client: IoTHubModuleClient, monkeypatch) -> None:
        self.mqtt = sdk._transport(client)._mqtt_client
        self.acknowledged: list[int] = []
        monkeypatch.setattr(self.mqtt, "_send_puback", self.acknowledged.append)

    def deliver(self, topic: str, number: int) -> None:
        self.mqtt.on_message(self.mqtt, None, SimpleNamespace(topic=topic, payload=b"{}"))
        self.mqtt._send_puback(number)


@pytest.fixture
def hub(client, monkeypatch) -> Hub:
    transport = sdk._transport(client)
    monkeypatch.setattr(transport, "on_mqtt_message_received_handler", transport.on_mqtt_message_received_handler)
    for name in ("_sock_send", "_sock_recv"):
        monkeypatch.setattr(transport._mqtt_client, name, getattr(transport._mqtt_client, name))
    return Hub(client, monkeypatch)


async def test_an_input_is_acknowledged_once_it_is_taken_and_not_before(client, hub) -> None:
    answers = {"1": True, "2": False, "3": True}
    sdk.tap(client, lambda topic, _body: answers[topic[-1]])
    for number in (1, 2, 3):
        hub.deliver(f"{INPUT}{number}", number)
    assert hub.acknowledged == [1, 3]


async def test_an_input_on_which_taking_raises_is_not_acknowledged_whatever_came_before(client, hub) -> None:
    def take(topic: str, _body: bytes) -> bool:
        if topic.endswith("2"):
            raise OSError("the SDK swallows this")
        return True

    sdk.tap(client, take)
    for number in (1, 2, 3):
        hub.deliver(f"{INPUT}{number}", number)
    assert hub.acknowledged == [1, 3]


async def test_what_is_no_input_is_acknowledged_though_an_input_before_was_not(client, hub) -> None:
    sdk.tap(client, lambda _topic, _body: False)
    hub.deliver(f"{INPUT}1", 1)
    hub.deliver("$iothub/twin/res/204/?$rid=1", 2)
    assert hub.acknowledged == [2]


def message(properties: dict[str, str] | None = None, body: bytes = b"{}") -> Message:
    made = Message(body, message_id="id", content_type="application/json", content_encoding="utf-8")
    made.custom_properties = properties or {}
    return made


async def packet(client, monkeypatch, made: Message) -> tuple[str, bytes]:
    """What a message is published as, by paho's own rules."""
    transport = sdk._transport(client)
    published = []

    def publish(topic: str, payload: bytes, callback) -> None:
        assert transport._mqtt_client._topic_wildcard_len_check(topic.encode()) == 0, "paho would call it a wildcard"
        published.append((topic, payload))
        callback()

    monkeypatch.setattr(transport, "publish", publish)
    await sdk.send(client, made, "predictions")
    return published[0]


async def test_a_message_of_as_many_bytes_as_edge_hub_takes_is_sent_and_a_longer_one_refused(
    client, monkeypatch
) -> None:
    topic, _ = await packet(client, monkeypatch, message())
    most = sdk.PACKET_BYTES - sdk.PACKET_OVERHEAD - len(topic)
    assert len((await packet(client, monkeypatch, message(body=bytes(most))))[1]) == most
    with pytest.raises(ValueError, match="it makes a packet of 262145 bytes, edgeHub takes 262144"):
        await packet(client, monkeypatch, message(body=bytes(most + 1)))


async def test_properties_fill_a_topic_and_no_more(client, monkeypatch) -> None:
    topic, _ = await packet(client, monkeypatch, message({"n": ""}))
    room = sdk.TOPIC_BYTES - len(topic)
    assert len((await packet(client, monkeypatch, message({"n": "x" * room})))[0]) == sdk.TOPIC_BYTES
    with pytest.raises(ValueError, match="its properties make a topic of 65536 bytes, MQTT takes 65535"):
        await packet(client, monkeypatch, message({"n": "x" * (room + 1)}))
    # Encoded, each of these has three bytes.
    with pytest.raises(ValueError, match=r"its properties make a topic of 65\d\d\d bytes"):
        await packet(client, monkeypatch, message({"n": "+" * (room // 3 + 1)}))


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.text("a+#\u00e9 %&=/$", max_size=40), st.text("a+#\u00e9 %&=/$", max_size=9_000), max_size=4),
    st.integers(0, 262_144),
)
async def test_whatever_is_sent_fits_a_packet_and_the_hubs_own_count_and_paho_takes_it(
    client, properties, size
) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        try:
            topic, payload = await packet(client, monkeypatch, message(properties, bytes(size)))
        except ValueError:
            return
    counted = sum(len(name.encode()) + len(value.encode()) for name, value in properties.items())
    assert counted + size <= 262_144
    assert len(topic) + len(payload) + sdk.PACKET_OVERHEAD <= 262_144


def test_the_docs_tell_all_that_is_reached_into() -> None:
    reached = set(re.findall(r"(?<=\w\.)_[a-z]\w+", inspect.getsource(sdk).split('"""', 2)[2]))
    assert reached
    docs = (ROOT / "docs/architecture.md").read_text()
    for text in (sdk.__doc__, docs):
        assert not [name for name in reached if name not in text]


def test_no_other_file_reaches_into_the_sdk() -> None:
    for path in (ROOT / "modules").rglob("*.py"):
        if path.name != "sdk.py":
            assert not re.search(r"\b(client|mqtt|transport|pipeline)\._[a-z]", path.read_text()), path
