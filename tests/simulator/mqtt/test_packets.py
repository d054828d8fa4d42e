"""The packet codec: what it reads back, in whatever pieces it comes, and what it does with nonsense."""

import contextlib
import itertools
from unittest import mock

import paho.mqtt.client as paho
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ProtocolError
from simulator.mqtt import packets
from simulator.mqtt.packets import Connack, Connect, Decoder, Disconnect, Ping, Puback, Publish, Subscribe, Will
from tests.simulator.conftest import A_TO_B, bare, manifest, running, soon

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
IDS = st.integers(1, 65535)
PACKETS = st.one_of(
    st.builds(
        Connect,
        TEXT,
        st.booleans(),
        st.integers(0, 65535),
        st.none() | TEXT,
        st.none() | st.binary(max_size=99),
        st.none() | st.builds(Will, TEXT, st.binary(max_size=99), st.booleans()),
    ),
    st.builds(Publish, TEXT, st.binary(max_size=400), st.just(1), IDS, st.booleans(), st.just(False)),
    st.builds(Publish, TEXT, st.binary(max_size=400), st.just(0), st.just(0), st.just(False), st.just(False)),
    st.builds(Puback, IDS),
    st.builds(Subscribe, IDS, st.lists(st.tuples(TEXT, st.integers(0, 2)), min_size=1, max_size=5)),
    st.just(Ping()),
    st.just(Disconnect()),
)


def encode(packet):
    """A packet's bytes."""
    match packet:
        case Connect():
            return packets.encode_connect(packet)
        case Publish():
            return packets.encode_publish(packet.topic, packet.body, packet.packet_id, duplicate=packet.duplicate)
        case Puback():
            return packets.encode_puback(packet.packet_id)
        case Subscribe():
            return packets.encode_subscribe(packet.packet_id, packet.filters)
        case Ping():
            return packets.PING
    return packets.GOODBYE


def pieces(data, cuts):
    """Bytes cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(PACKETS, max_size=8), st.lists(st.integers(0, 5000), max_size=20))
def test_packets_come_back_in_whatever_pieces_the_stream_arrives(packets, cuts):
    decoder = Decoder()
    data = b"".join(map(encode, packets))
    assert [packet for piece in pieces(data, cuts) for packet in decoder.feed(piece)] == packets


@pytest.mark.parametrize("size", [0, 127, 128, 16_383, 16_384, 262_144 - 5])
def test_packets_of_every_length_field_come_back(size):
    [packet] = Decoder().feed(packets.encode_publish("t", bytes(size), 7))
    assert packet == Publish("t", bytes(size), 1, 7, False, False)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_no_bytes_do_worse_than_a_protocol_error(data, cuts):
    decoder = Decoder()
    with contextlib.suppress(ProtocolError):
        for piece in pieces(data, cuts):
            list(decoder.feed(piece))


@given(st.lists(PACKETS, min_size=1, max_size=4), st.data())
def test_damaged_packets_do_no_worse_than_a_protocol_error(packets, data):
    stream = bytearray(b"".join(map(encode, packets)))
    for _ in range(data.draw(st.integers(1, 5))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        list(Decoder().feed(bytes(stream)))


def test_the_mqtt_library_of_the_sdk_writes_what_the_codec_reads(monkeypatch):
    client = paho.Client("device/module", clean_session=False)
    client.username_pw_set("hub/device/module/?api-version=1", "SharedAccessSignature sr=x")
    sent = []
    monkeypatch.setattr(client, "_packet_queue", lambda _command, packet, *_rest: sent.append(bytes(packet)))
    client._sock = mock.Mock()
    client._send_connect(60)
    client._send_publish(5, b"a/topic", b"body", qos=1)
    client._send_subscribe(False, [(b"$iothub/methods/POST/#", 1)])
    packets = list(Decoder().feed(b"".join(sent)))
    assert packets[0] == Connect(
        "device/module", False, 60, "hub/device/module/?api-version=1", b"SharedAccessSignature sr=x"
    )
    assert packets[1] == Publish("a/topic", b"body", 1, 5, False, False)
    assert packets[2].filters == [("$iothub/methods/POST/#", 1)]


async def test_no_nonsense_ends_the_hub_or_anothers_session(tmp_path):
    """Random and damaged packets from one client after the other, while two others exchange messages."""
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b", "bad") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        bad = bare(runtime, "bad")
        streams = []

        @given(st.lists(PACKETS, min_size=1, max_size=3), st.binary(max_size=50), st.booleans())
        @settings(max_examples=60, database=None, derandomize=True)
        def collect(packets, noise, connected):
            streams.append((b"".join(map(encode, packets)) + noise, connected))

        collect()
        for number, (stream, connected) in enumerate(streams):
            await (bad.connect() if connected else bad.open())
            bad.write(stream + b"\xf0\x00")
            await soon(a.send(str(number).encode(), output="o"))
            packet = await soon(b.read_publish())
            assert packet.body == str(number).encode()
            b.acknowledge(packet)
            await bad.close()
        assert runtime.hub.running


def test_a_refusal_is_read_back():
    assert list(Decoder().feed(packets.encode_connack(5))) == [Connack(False, 5)]
