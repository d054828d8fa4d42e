"""What a client gets by the topics that it subscribes to, and with which QoS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import MethodError
from simulator.hub import subscriptions
from simulator.mqtt import packets
from tests.simulator.conftest import A_TO_B, bare, manifest, running, soon

B = "devices/edge-device/modules/b"


@pytest.mark.parametrize(
    ("filters", "topic", "qos"),
    [
        ({"a/#": 1}, "a/b/c", 1),
        ({"a/#": 1}, "a", 1),
        ({"a/+/c": 0}, "a/b/c", 0),
        ({"a/+": 1}, "a/b/c", None),
        ({"a/b": 1}, "a/b/c", None),
        ({"a/b/c": 1}, "a/b", None),
        ({"a/#": 0, "a/b": 1}, "a/b", 1),
        ({"#": 1, "+/twin/res/#": 1}, "$iothub/twin/res/200", None),
        ({}, "a", None),
    ],
)
def test_a_topic_is_sent_with_the_best_qos_of_the_filters_that_match_it(filters, topic, qos) -> None:
    assert subscriptions.quality(filters, topic) == qos


@given(st.lists(st.text("ab+#/$", max_size=6)), st.text("ab/$", max_size=6))
def test_no_filter_does_worse_than_match_nothing(filters, topic) -> None:
    subscriptions.quality(dict.fromkeys(filters, 1), topic)
    subscriptions.takes_messages(filters)


@pytest.mark.parametrize("name", [f"{B}/#", f"{B}/inputs/#", f"{B}/inputs/in/#"])
async def test_messages_come_by_any_filter_that_edge_hub_takes_for_inputs(name, tmp_path) -> None:
    async with running(manifest(A_TO_B), tmp_path, "a", "b") as runtime, bare(runtime, "b") as b:
        assert await soon(b.subscribe(name)) == [1]
        await soon(runtime.hub.subscribed("b"))
        async with bare(runtime, "a") as a:
            await soon(a.send(b"x", output="o"))
        assert (await soon(b.read_publish())).topic.startswith(f"{B}/inputs/in/")


async def test_any_filter_is_granted_and_messages_that_none_matches_are_dropped(tmp_path, caplog) -> None:
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        assert await soon(b.subscribe(f"{B}/inputs/in", "anything")) == [1, 1]
        await soon(a.send(b"waits", output="o"))
        assert runtime.hub.client("b").pending == 1
        # This lets messages come, those of another input.
        await soon(b.subscribe(f"{B}/inputs/other/#"))
        await soon(b.subscribe("anything"))
        assert runtime.hub.client("b").pending == 0
    assert f"a message for edge-device/b is dropped: it has not subscribed to {B}/inputs/in/" in caplog.text


async def test_another_modules_topic_brings_nothing_of_its(tmp_path) -> None:
    async with running(manifest(A_TO_B), tmp_path, "a", "b") as runtime, bare(runtime, "a") as a:
        assert await soon(a.subscribe(f"{B}/inputs/#")) == [1]
        await soon(a.send(b"for b", output="o"))
        assert runtime.hub.client("b").pending == 1
        assert runtime.hub.client("a").pending == 0


async def test_a_message_goes_with_the_qos_that_was_granted_or_less_if_its_sender_says_so(tmp_path) -> None:
    async with (
        running(manifest(A_TO_B), tmp_path, "a", "b") as runtime,
        bare(runtime, "a") as a,
        bare(runtime, "b") as b,
    ):
        b.write(packets.encode_subscribe(b.next_id(), [(f"{B}/#", 0)]))
        assert await soon(b.read()) == packets.Suback(1, [0])
        for body in (b"1", b"2"):
            await soon(a.send(body, output="o"))
        # Neither waits for an acknowledgement.
        got = [await soon(b.read_publish()) for _ in "12"]
        assert [(each.body, each.qos) for each in got] == [(b"1", 0), (b"2", 0)]
        b.write(packets.encode_subscribe(b.next_id(), [(f"{B}/#", 2)]))
        assert await soon(b.read()) == packets.Suback(2, [1])
        await soon(a.send(b"3", output="o", bag="mqtt-qos=0"))
        await soon(a.send(b"4", output="o", bag="mqtt-qos=1"))
        assert [(await soon(b.read_publish())).qos for _ in "34"] == [0, 1]


async def test_twins_and_methods_come_to_those_who_ask_for_them_with_the_qos_granted(tmp_path) -> None:
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        with pytest.raises(MethodError, match="takes no methods"):
            await runtime.hub.invoke("a", "x", None, 1)
        a.write(packets.encode_publish("$iothub/twin/GET/?$rid=1", b"", 1))
        assert await soon(a.read()) == packets.Puback(1)
        filters = [("$iothub/twin/res/#", 0), ("$iothub/twin/PATCH/properties/desired/#", 1)]
        a.write(packets.encode_subscribe(9, filters))
        assert await soon(a.read()) == packets.Suback(9, [0, 1])
        a.write(packets.encode_publish("$iothub/twin/GET/?$rid=2", b"", 1))
        answer = await soon(a.read_publish())
        assert (answer.topic, answer.qos) == ("$iothub/twin/res/200/?$rid=2", 0)
        runtime.upstream.set_desired("edge-device/a", {"rate": 2})
        assert (await soon(a.read_publish())).qos == 1


async def test_a_client_that_subscribes_without_end_is_disconnected(tmp_path, caplog) -> None:
    async with running(manifest({}), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        assert (
            len(await soon(a.subscribe(*(str(number) for number in range(subscriptions.MOST))))) == subscriptions.MOST
        )
        with pytest.raises(ConnectionResetError):
            await soon(a.subscribe("one more"))
    assert f"it subscribes to more than {subscriptions.MOST} topics" in caplog.text
