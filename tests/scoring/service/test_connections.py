"""Connections: as many as may be, and none for long that asks for nothing."""

import asyncio
import json
import socket
from contextlib import suppress

import pytest

from scoring.service.limits import Limits
from tests.onnx_models import record
from tests.scoring.service.client import JSON, LINES

ONE = json.dumps(record(1, ConnectionDeviceId="a")).encode()


async def test_one_connection_too_many_is_told_to_come_again_and_the_others_go_on(start, caplog) -> None:
    client = await start(limits=Limits(connections=2))
    assert (await client.get("/health/live")).status == 200
    _, held = await client.connect()
    reader, writer = await client.connect()
    refused = (await reader.read()).decode()
    assert refused.startswith("HTTP/1.1 503 ")
    assert "\r\nRetry-After: 1\r\n" in refused
    fault = json.loads(refused.split("\r\n\r\n")[1])["errors"][0]
    assert fault == {"reason": "overloaded", "detail": "2 connections are open; come again a little later"}
    assert "turned away with 503: 1" in caplog.text
    assert (await client.score(ONE)).status == 200
    assert await client.metric("connections") == await client.metric("connections_limit") == 2
    assert await client.metric("refused_total") == 1
    for each in (held, writer):
        each.close()
    await client.until("connections", lambda value: value <= 1)
    reader, writer = await client.connect()
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    writer.close()


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health/live HTTP/1.1\r\n", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"]
)
async def test_a_connection_without_a_request_goes_and_one_with_a_part_of_its_head_too(start, sent) -> None:
    client = await start(limits=Limits(seconds=0.3))
    reader, writer = await client.connect()
    writer.write(sent)
    answered = await asyncio.wait_for(reader.read(), 30)
    assert answered.startswith(b"HTTP/1.1 200" if sent.endswith(b"\r\n\r\n") else b"")
    writer.close()


async def test_who_sends_a_head_byte_by_byte_does_not_hold_a_place(start) -> None:
    client = await start(limits=Limits(seconds=0.3))
    reader, writer = await client.connect()

    async def trickle() -> None:
        writer.write(b"GET /health/live HTTP/1.1\r\nX: ")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    # A byte after the end is answered with a reset.
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 30) == b""
    trickling.cancel()
    writer.close()


async def test_who_does_not_read_the_answers_goes(start) -> None:
    client = await start(limits=Limits(seconds=0.3))
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((client.session._base_url.host, client.session._base_url.port)) as connection:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()

        async def ask_on() -> None:
            while True:
                await loop.sock_sendall(connection, asked * 1000)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(ask_on(), 30)
    assert (await client.get("/health/live")).status == 200


@pytest.mark.whole
async def test_a_request_that_takes_longer_than_that_is_not_cut(start) -> None:
    client = await start(limits=Limits(seconds=0.3))

    async def slow():
        for _ in range(10):
            yield ONE + b"\n"
            await asyncio.sleep(0.1)

    async with client.session.post("/score", data=slow(), headers=LINES) as response:
        assert len([each async for each in response.content]) == 10
    assert (await client.score(ONE, JSON)).status == 200


@pytest.mark.parametrize("path", ["/model", "/metrics", "/openapi.json", "/health/live", "/health/ready"])
async def test_head_is_answered_as_get_is_without_the_body(client, path) -> None:
    got, head = await client.get(path), await client.request("HEAD", path)
    assert (head.status, head.text) == (200, "")
    for header in ("Content-Type", "Content-Encoding"):
        assert head.headers.get(header) == got.headers.get(header)


async def test_a_body_of_more_values_than_may_be_is_refused_before_it_is_decoded(start) -> None:
    client = await start(limits=Limits(values=100))
    answer = await client.score(b"[" + b",".join([b"1"] * 200) + b"]")
    assert (answer.status, answer.error["reason"]) == (413, "too_large")
    assert answer.error["detail"] == ("the body has more than 100 values; send lines (application/x-ndjson) instead")
