"""How messages get from one client to another: stored first, one in flight, again until acknowledged, in order."""

import asyncio
import json
import re
from urllib.parse import quote

import pytest

from simulator.database import Database
from simulator.errors import SimulatorError
from simulator.hub.client import Terms
from simulator.message import from_header, parse_properties
from simulator.mqtt.packets import Puback, Publish
from tests.simulator.conftest import A_TO_B, bare, manifest, module_client, receive, running, soon
from tests.waiting import until

PRIORITIES = {
    "late": {
        "route": 'FROM /messages/modules/a/outputs/late INTO BrokeredEndpoint("/modules/b/inputs/in")',
        "priority": 9,
    },
    "early": {
        "route": 'FROM /messages/modules/a/outputs/early INTO BrokeredEndpoint("/modules/b/inputs/in")',
        "priority": 0,
    },
}


async def test_the_sdks_messages_arrive_in_order_with_their_properties(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        module_client(runtime, "b") as b,
        module_client(runtime, "a") as a,
    ):
        received = await receive(b)
        from azure.iot.device import Message

        for number in range(50):
            message = Message(json.dumps(number), content_type="application/json", content_encoding="utf-8")
            message.message_id = f"id {number}/&="
            message.custom_properties = {"näme": "välue &=/", "plain": "1"}
            await a.send_message_to_output(message, "any")
        got = [await soon(received.get()) for _ in range(50)]
    assert [json.loads(message.data) for message in got] == list(range(50))
    assert got[7].message_id == "id 7/&="
    assert got[7].input_name == "in"
    assert got[7].content_type == "application/json"
    assert got[7].content_encoding == "utf-8"
    own = {name: value for name, value in got[7].custom_properties.items() if not name.startswith("$.")}
    assert own == {"näme": "välue &=/", "plain": "1"}
    assert got[7].custom_properties["$.cdid"] == "edge-device"
    assert got[7].custom_properties["$.cmid"] == "a"


async def test_only_one_message_is_in_flight_across_all_inputs(tmp_path):
    routes = {
        name: f'FROM /messages/modules/a/outputs/{name} INTO BrokeredEndpoint("/modules/b/inputs/{name}")'
        for name in ("x", "y")
    }
    async with (
        running(manifest(routes), tmp_path, "a", "b") as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await a.send(b"1", output="x")
        await a.send(b"2", output="y")
        first = await soon(b.read_publish())
        assert first.topic.startswith("devices/edge-device/modules/b/inputs/x/")
        # Whatever else the hub sends comes before the answer to the next subscription: there must be nothing.
        b.write(b"\xc0\x00")
        assert not isinstance(await soon(b.read()), Publish)
        b.acknowledge(first)
        second = await soon(b.read_publish())
        assert (first.body, second.body) == (b"1", b"2")
        assert not second.duplicate


@pytest.mark.whole
async def test_a_message_that_is_not_acknowledged_comes_again_and_nothing_marks_it_and_the_next_waits(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b", terms=Terms(puback_timeout=0.05)) as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await a.send(b"1", output="o")
        await a.send(b"2", output="o")
        tries = [await soon(b.read_publish()) for _ in range(3)]
        assert [one.body for one in tries] == [b"1"] * 3
        assert not any(one.duplicate for one in tries)
        assert len({one.packet_id for one in tries}) == 1
        b.acknowledge(tries[-1])
        assert (await soon(b.read_publish())).body == b"2"


async def test_what_was_in_flight_when_a_client_left_comes_first_when_it_is_back(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await a.send(b"1", output="o")
        await a.send(b"2", output="o")
        await soon(b.read_publish())
        await b.close()
        assert (await b.connect()).session_present
        again = await soon(b.read_publish())
        assert again.body == b"1"
        b.acknowledge(again)
        assert (await soon(b.read_publish())).body == b"2"


async def test_what_was_in_flight_when_a_session_was_forgotten_comes_once_the_client_subscribes_again(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await a.send(b"1", output="o")
        await soon(b.read_publish())
        runtime.faults.forget("b")
        await b.close()
        assert not (await b.connect()).session_present
        await b.subscribe()
        again = await soon(b.read_publish())
        assert again.body == b"1"


async def test_told_so_the_hub_has_a_few_messages_in_flight_and_sends_all_of_them_again_in_order(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b", terms=Terms(in_flight=3)) as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        for number in range(5):
            await a.send(b"%d" % number, output="o")
        first = [await soon(b.read_publish()) for _ in range(3)]
        assert [one.body for one in first] == [b"0", b"1", b"2"]
        b.acknowledge(first[1])
        assert (await soon(b.read_publish())).body == b"3"
        await b.close()
        await b.connect()
        again = [await soon(b.read_publish()) for _ in range(3)]
        assert [one.body for one in again] == [b"0", b"2", b"3"]
        assert not any(one.duplicate for one in again)
        for one in again:
            b.acknowledge(one)
        assert (await soon(b.read_publish())).body == b"4"


async def test_messages_and_subscriptions_outlive_the_hub(tmp_path):
    content = manifest(A_TO_B)
    async with running(content, tmp_path, "a", "b") as runtime:
        async with bare(runtime, "b") as b:
            await b.subscribe()
        async with bare(runtime, "a") as a:
            for number in range(700):  # more than the hub holds in memory for one endpoint
                a.publish(str(number).encode(), output="o")
            for _ in range(700):
                await soon(a.read())
    async with running(content, tmp_path) as runtime, bare(runtime, "b") as b:
        bodies = []
        while len(bodies) < 700:
            packet = await soon(b.read_publish())
            b.acknowledge(packet)
            bodies.append(int(packet.body))
    assert bodies == list(range(700))


async def test_an_acknowledged_message_survives_a_hub_that_is_killed(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await b.close()
        await a.send(b"kept", output="o")
        await runtime.faults.stop_hub(abrupt=True)
        await runtime.faults.start_hub()
        await b.connect()
        assert (await soon(b.read_publish())).body == b"kept"


async def test_a_clean_session_has_no_subscriptions_to_come_back_to_but_its_messages_wait(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        await b.close()
        answer = await b.connect(clean=True)
        assert not answer.session_present
        await a.send(b"1", output="o")
        b.write(b"\xc0\x00")
        assert not isinstance(await soon(b.read()), Publish)
        await b.subscribe()
        assert (await soon(b.read_publish())).body == b"1"


async def test_messages_of_a_more_urgent_route_overtake_those_that_wait(tmp_path):
    async with (
        running(manifest(PRIORITIES), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        count = 600  # more than the hub holds in memory
        for number in range(count):
            a.publish(f"late {number}".encode(), output="late")
        a.publish(b"early", output="early")
        for _ in range(count + 1):
            await soon(a.read())
        await b.subscribe()
        bodies = []
        while len(bodies) < count + 1:
            packet = await soon(b.read_publish())
            b.acknowledge(packet)
            bodies.append(packet.body.decode())
    assert bodies == ["early", *(f"late {number}" for number in range(count))]


async def test_a_message_that_outlives_its_time_is_counted_and_not_delivered(tmp_path):
    routes = {
        "short": {"route": A_TO_B["aToB"], "timeToLiveSecs": 60},
    }
    async with (
        running(manifest(routes), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await a.send(b"old", output="o")
        runtime.faults.skew(61)
        await a.send(b"new", output="o")
        await b.subscribe()
        assert (await soon(b.read_publish())).body == b"new"
        assert runtime.hub.expired == 1


async def test_acknowledgements_keep_the_order_of_the_messages(tmp_path):
    async with running(manifest(A_TO_B), tmp_path, "a", "b") as runtime, bare(runtime, "a") as a:
        sent = [a.publish(b"x", output="o" if number % 3 else None) for number in range(300)]
        got = [await soon(a.read()) for _ in sent]
    assert got == [Puback(packet_id) for packet_id in sent]


async def test_a_packet_of_256_kb_passes_and_a_larger_one_ends_the_connection(tmp_path, caplog):
    # The packet holds two lengths of two bytes each, the topic, and the body.
    room = 262_144 - 4 - len("devices/edge-device/modules/a/messages/events/%24.on=o")
    async with (
        running(manifest({"all": "FROM /* INTO $upstream"}), tmp_path, "a") as runtime,
        bare(runtime, "a") as a,
    ):
        await a.send(bytes(room), output="o")
        a.publish(bytes(room + 1), output="o")
        with pytest.raises(ConnectionResetError):
            await soon(a.read())
        assert [len(message.body) for message in await soon(runtime.upstream.wait_for(1))] == [room]
    assert "edge-device/a is disconnected: a packet of 262145 bytes; the edge hub takes 262144 at most" in caplog.text


async def test_a_message_with_two_names_that_differ_in_case_only_is_acknowledged_and_dropped(tmp_path, caplog):
    async with (
        running(manifest({"all": "FROM /* INTO $upstream"}), tmp_path, "a") as runtime,
        bare(runtime, "a") as a,
    ):
        await soon(a.send(b"lost", output="o", bag="name=1&Name=2"))
        await soon(a.send(b"kept", output="o", bag="name=1&other=2"))
        assert [message.body for message in await soon(runtime.upstream.wait_for(1))] == [b"kept"]
        assert runtime.hub.malformed == 1
    assert "acknowledged and dropped: two of its properties have one name but for case" in caplog.text


async def test_system_properties_are_passed_on_as_edge_hub_passes_them(tmp_path):
    """What the hub sets itself is not the sender's to say, and some of the rest stays with the hub."""
    routes = A_TO_B | {"up": "FROM /messages/modules/a/* INTO $upstream"}
    sent = {
        "$.mid": "id",
        "$.cid": "c",
        "$.uid": "u",
        "$.to": "t",
        "ack": "full",
        "$.ct": "text/plain",
        "$.ce": "utf-8",
        "$.schema": "s",
        "iothub-operation": "op",
        "$.exp": "2027-01-01T00:00:00Z",
        "$.ifid": "urn:x",
        "$.sub": "part",
        "$.on": "o",
        "$.cdid": "forged",
        "$.cmid": "forged",
        "$.other": "own",
        "plain": "p",
    }
    bag = "&".join(f"{quote(name)}={quote(value)}" for name, value in sent.items())
    async with (
        running(manifest(routes), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        await soon(a.send(b"x", bag=bag))
        packet = await soon(b.read_publish())
        b.acknowledge(packet)
        (message,) = await soon(runtime.upstream.wait_for(1))
    delivered = parse_properties(packet.topic.rpartition("/")[2])
    assert delivered == {name: value for name, value in sent.items() if name not in {"$.on", "$.ifid"}} | {
        "$.cdid": "edge-device",
        "$.cmid": "a",
    }
    assert message.properties == {"$.cdid": "forged", "$.cmid": "forged", "$.other": "own", "plain": "p"}
    told = {name: value for name, value in message.system.items() if not name.startswith("iothub-") or "x" in value}
    assert told == {
        "messageId": "id",
        "correlationId": "c",
        "userId": "u",
        "to": "t",
        "contentType": "text/plain",
        "contentEncoding": "utf-8",
        "iothub-interface-id": "urn:x",
        "dt-subject": "part",
    }
    assert message.system["iothub-message-schema"] == "s"


def test_a_message_that_an_earlier_version_stored_is_read():
    header = json.dumps(["d", "m", "o", {"correlationId": "c", "messageId": "id", "$.schema": "s"}, {"n": "v"}])
    message = from_header(header, b"x", 1.0)
    assert message.system == {"cid": "c", "messageId": "id", "messageSchema": "s"}
    assert from_header(message.header(), b"x", 1.0) == message


async def test_a_message_whose_properties_fit_no_topic_is_dropped_alone(tmp_path, caplog):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        # 25 KB of what takes three bytes each, percent-encoded.
        await soon(a.send(b"too long", output="o", bag="x=" + "!" * 25_000))
        await soon(a.send(b"after", output="o"))
        packet = await soon(b.read_publish())
        b.acknowledge(packet)
        assert packet.body == b"after"
        await soon(runtime.hub.limit_store(None))
        assert runtime.hub.client("b").pending == 0
    assert "a message for edge-device/b is dropped: a string of 75" in caplog.text


async def test_what_cannot_be_stored_is_refused_alone(tmp_path):
    store = Database(tmp_path / "store.sqlite3", "CREATE TABLE t (x)")
    await store.open()
    outcomes = []
    for value in ("before", "\ud800", 2**70, "after"):
        store.write("INSERT INTO t VALUES (?)", (value,), lambda _result, error: outcomes.append(error))
    found = await soon(store.run(lambda db: [x for (x,) in db.execute("SELECT x FROM t")]))
    await store.close()
    assert found == ["before", "after"]
    assert [error is None for error in outcomes] == [True, False, False, True]


@pytest.mark.parametrize("name", ["\ud800", "a/b", "", "a\0"])
async def test_names_that_no_topic_can_hold_are_refused(name, tmp_path):
    async with running(manifest({}), tmp_path) as runtime:
        with pytest.raises(SimulatorError, match="is no identity"):
            runtime.add_device(name)
        assert runtime.add_device("after")


async def test_a_message_that_no_route_takes_is_acknowledged_and_counted(tmp_path):
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await soon(a.send(b"nobody wants it", output="o"))
        assert runtime.hub.unrouted == 1


async def test_the_same_client_connecting_anew_ends_its_former_connection(tmp_path):
    async with (
        running(manifest({}), tmp_path, "a") as runtime,
        bare(runtime, "a") as first,
        bare(runtime, "a") as second,
    ):
        with pytest.raises(ConnectionResetError):
            await soon(first.read())
        await soon(second.send(b"x"))
        assert runtime.hub.client("a").connection is not None


async def test_when_the_disk_is_full_nothing_is_acknowledged_and_nothing_lost(tmp_path):
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await runtime.faults.fill_disk(200_000)
        acknowledged = 0
        try:
            while True:
                await soon(a.send(bytes([acknowledged]) * 10_000, output="o"))
                acknowledged += 1
        except ConnectionResetError:
            pass
        assert acknowledged > 3
        await runtime.faults.clear()
        await a.connect()
        await soon(a.send(b"\xff" * 10, output="o"))
        await b.subscribe()
        firsts = []
        while len(firsts) <= acknowledged:
            packet = await soon(b.read_publish())
            b.acknowledge(packet)
            firsts.append(packet.body[0])
    assert firsts == [*range(acknowledged), 255]


async def test_two_hundred_messages_in_flight_from_the_sdk_are_all_stored_once(tmp_path):
    async with running(manifest({"up": "FROM /* INTO $upstream"}), tmp_path, "a") as runtime:
        async with module_client(runtime, "a") as client:
            await asyncio.gather(*(client.send_message_to_output(str(number), "o") for number in range(200)))
        messages = await soon(runtime.upstream.wait_for(200))
    assert sorted(int(message.body) for message in messages) == list(range(200))


async def test_a_message_for_a_module_that_is_not_deployed_yet_waits_for_it(tmp_path):
    async with running(manifest(A_TO_B), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await a.send(b"early", output="o")
    async with running(manifest(A_TO_B), tmp_path, "b") as runtime, bare(runtime, "b") as b:
        await b.subscribe()
        assert (await soon(b.read_publish())).body == b"early"


async def test_messages_that_nobody_comes_for_expire_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.hub.hub.SWEEP", 0.02)
    routes = {"short": {"route": A_TO_B["aToB"], "timeToLiveSecs": 60}}
    async with (
        running(manifest(routes), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        for number in range(400):
            a.publish(str(number).encode(), output="o")
        for _ in range(400):
            await soon(a.read())
        in_flight = await soon(b.read_publish())
        runtime.faults.skew(61)
        await until(lambda: runtime.hub.expired >= 399)
        assert runtime.hub.client("b").pending == 1
        b.acknowledge(in_flight)
        await a.send(b"new", output="o")
        assert (await soon(b.read_publish())).body == b"new"
        assert runtime.hub.expired == 399


async def test_what_was_in_flight_and_expires_while_its_client_is_away_is_not_sent_again(tmp_path):
    routes = {"short": {"route": A_TO_B["aToB"], "timeToLiveSecs": 60}}
    async with (
        running(manifest(routes), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        await b.subscribe()
        await a.send(b"old", output="o")
        assert (await soon(b.read_publish())).body == b"old"
        await b.close()
        runtime.faults.skew(61)
        await a.send(b"new", output="o")
        await b.connect()
        assert (await soon(b.read_publish())).body == b"new"
        assert runtime.hub.expired == 1


async def test_the_pause_before_a_message_comes_again_doubles_up_to_a_limit(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("simulator.hub.client.SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr("simulator.hub.client.LONGEST_PAUSE", 0.04)
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b", terms=Terms(puback_timeout=0.01)) as runtime,
        bare(runtime, "b") as b,
        bare(runtime, "a") as a,
    ):
        await b.subscribe()
        await a.send(b"1", output="o")
        for _ in range(5):
            await soon(b.read_publish())
    assert re.findall(r"next try in (\S+) s", caplog.text)[:4] == ["0.01", "0.02", "0.04", "0.04"]
