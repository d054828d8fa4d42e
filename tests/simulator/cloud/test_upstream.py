"""The cloud's end: offline and back, refusals, expiry, what it keeps of a message."""

import asyncio
import json
import re
import sqlite3
import time
from contextlib import closing

import pytest

from simulator.cloud.upstream import received
from tests.simulator.conftest import bare, manifest, running, soon
from tests.waiting import until

UP = {"up": "FROM /messages/* INTO $upstream"}


async def test_the_cloud_keeps_a_message_with_its_properties_and_times(tmp_path):
    bag = "%24.mid=id%2F1&%24.cid=c&%24.ct=application%2Fjson&%24.ce=utf-8&n%C3%A4me=v%26%3D"
    before = time.time()
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await a.send('{"x": "é"}'.encode(), output="out", bag=bag)
        [message] = await soon(runtime.upstream.wait_for(1))
    assert (message.device, message.module, message.output) == ("edge-device", "a", "out")
    assert (message.message_id, message.correlation_id) == ("id/1", "c")
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.properties == {"näme": "v&="}
    assert json.loads(message.body) == {"x": "é"}
    assert before <= message.enqueued <= time.time()
    assert message.system["iothub-connection-device-id"] == "edge-device"
    assert message.system["iothub-connection-module-id"] == "a"
    assert message.system["iothub-creation-time-utc"] <= message.system["iothub-enqueuedtime"]
    assert message.json()["body"] == '{"x": "é"}'


async def test_a_body_that_is_no_text_is_exported_as_digits(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await a.send(b"\xff\x00")
        [message] = await soon(runtime.upstream.wait_for(1))
    assert message.json()["body_hex"] == "ff00"
    assert "body" not in json.loads(json.dumps(message.json()))


async def test_the_file_can_be_read_piece_by_piece_while_it_is_written(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        seen = []
        for number in range(5):
            await a.send(str(number).encode())
            await soon(runtime.upstream.wait_for(number + 1))
            seen += received(runtime.upstream.path, after=seen[-1].seq if seen else 0)
        assert [message.body for message in seen] == [b"0", b"1", b"2", b"3", b"4"]
        with closing(sqlite3.connect(tmp_path / "upstream.sqlite3")) as database:
            rows = database.execute("SELECT seq, module, body FROM messages WHERE seq > 3 ORDER BY seq").fetchall()
        assert rows == [(4, "a", b"3"), (5, "a", b"4")]


async def test_messages_can_be_followed_as_they_arrive(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        following = runtime.upstream.follow()
        await a.send(b"1")
        assert (await soon(anext(following))).body == b"1"
        later = asyncio.ensure_future(anext(following))
        await a.send(b"2")
        assert (await soon(later)).body == b"2"
        await following.aclose()


async def test_while_the_cloud_is_out_of_reach_messages_wait_and_then_drain_in_order(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.offline()
        for number in range(600):
            a.publish(str(number).encode())
        for _ in range(600):
            await soon(a.read())
        assert runtime.upstream.count == 0
        assert runtime.hub.upstream_pending == 600
        runtime.faults.online()
        messages = await soon(runtime.upstream.wait_for(600))
        assert [int(message.body) for message in messages] == list(range(600))


async def test_what_waits_for_the_cloud_outlives_the_runtime(tmp_path):
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.offline()
        for number in range(10):
            await a.send(str(number).encode())
    async with running(manifest(UP), tmp_path) as runtime:
        messages = await soon(runtime.upstream.wait_for(10))
    assert [int(message.body) for message in messages] == list(range(10))


async def test_an_urgent_route_overtakes_what_waits_for_the_cloud(tmp_path):
    routes = {
        "bulk": {"route": "FROM /messages/modules/a/outputs/bulk INTO $upstream", "priority": 5},
        "alert": {"route": "FROM /messages/modules/a/outputs/alert INTO $upstream", "priority": 0},
    }
    async with running(manifest(routes), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.offline()
        await a.send(b"sent as the first", output="bulk")
        await a.send(b"bulk", output="bulk")
        await a.send(b"alert", output="alert")
        runtime.faults.online()
        messages = await soon(runtime.upstream.wait_for(3))
    # The first may have been on its way when the cloud went out of reach.
    bodies = [message.body for message in messages]
    assert bodies.index(b"alert") < bodies.index(b"bulk")


async def test_messages_that_expire_while_the_cloud_is_out_of_reach_are_counted(tmp_path):
    routes = {"up": {"route": UP["up"], "timeToLiveSecs": 60}}
    async with running(manifest(routes), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.offline()
        for _ in range(5):
            await a.send(b"old")
        runtime.faults.skew(61)
        await a.send(b"new")
        runtime.faults.online()
        messages = await soon(runtime.upstream.wait_for(1))
        assert [message.body for message in messages] == [b"new"]
        assert runtime.hub.expired == 5
        assert runtime.hub.upstream_pending == 0


@pytest.mark.parametrize("reason", ["throttled", "quota"])
async def test_what_the_cloud_refuses_is_sent_again_in_order(reason, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("simulator.hub.uplink.SHORTEST_WAIT", 0.01)
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.refuse_upstream(reason)
        for number in range(20):
            await a.send(str(number).encode())
        await until(lambda: "next try" in caplog.text)
        assert runtime.upstream.count == 0
        await runtime.faults.clear()
        messages = await soon(runtime.upstream.wait_for(20))
        assert [int(message.body) for message in messages] == list(range(20))
    assert {"throttled": "429001", "quota": "403002"}[reason] in caplog.text


async def test_messages_that_expire_while_the_cloud_refuses_them_are_counted(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("simulator.hub.uplink.SHORTEST_WAIT", 0.01)
    routes = {"up": {"route": UP["up"], "timeToLiveSecs": 60}}
    async with running(manifest(routes), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.refuse_upstream("throttled")
        await a.send(b"old")
        await until(lambda: "next try" in caplog.text)
        runtime.faults.skew(61)
        await until(lambda: runtime.hub.expired >= 1)
        runtime.upstream.refusal = None
        await a.send(b"new")
        messages = await soon(runtime.upstream.wait_for(1))
        assert [message.body for message in messages] == [b"new"]
        assert runtime.hub.upstream_pending == 0


async def test_the_pause_before_the_cloud_is_asked_again_doubles_up_to_a_limit(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("simulator.hub.uplink.SHORTEST_WAIT", 0.01)
    monkeypatch.setattr("simulator.hub.uplink.LONGEST_WAIT", 0.04)
    async with running(manifest(UP), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        runtime.faults.refuse_upstream("throttled")
        await a.send(b"x")
        await until(lambda: caplog.text.count("next try") >= 4)
    assert re.findall(r"next try in (\S+) s", caplog.text)[:4] == ["0.01", "0.02", "0.04", "0.04"]
