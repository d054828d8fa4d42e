import asyncio
import gzip
import json

import pytest

from scoring.service.limits import Limits
from tests.onnx_models import record
from tests.scoring.service.client import JSON, LINES

ONE = json.dumps(record(1, ConnectionDeviceId="a")).encode()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_body_beyond_the_limit_is_refused_also_if_it_is_small_before_it_is_inflated(start, encoding) -> None:
    client = await start(limits=Limits(body_bytes=10_000))
    blanks = b" " * 9_000
    for body, status in ((ONE + blanks[: 10_000 - len(ONE)], 200), (ONE + blanks + blanks, 413)):
        packed = gzip.compress(body) if encoding == "gzip" else body
        answer = await client.score(packed, {**JSON, "Content-Encoding": encoding})
        assert answer.status == status
    assert answer.error["detail"].startswith("the body has more than 10000 bytes")


async def test_a_list_beyond_the_limit_is_refused(start) -> None:
    client = await start(limits=Limits(rows=2))
    records = [record(cycle, ConnectionDeviceId="a") for cycle in (1, 2, 3)]
    assert (await client.score(records[:2])).status == 200
    answer = await client.score(records)
    assert (answer.status, answer.error["reason"]) == (400, "too_many_records")


async def test_messages_of_trajectories_count_as_so_many_records(start) -> None:
    client = await start(limits=Limits(rows=4))
    trajectories = [{"rows": [list(record(cycle).values()) for cycle in (1, 2)], "each": True}] * 3
    assert (await client.score(trajectories[:2])).status == 200
    answer = await client.score(trajectories)
    assert (answer.status, answer.error["reason"]) == (400, "too_many_records")
    assert answer.error["detail"] == "the trajectories have 6 messages, at most 4 are taken; send lines instead"
    assert len((await client.score_lines(*trajectories)).lines) == 3


@pytest.mark.parametrize(
    ("headers", "body", "status", "reason"),
    [
        ({"Content-Type": "text/xml"}, ONE, 415, "content_type"),
        ({**JSON, "Content-Encoding": "br"}, ONE, 415, "content_encoding"),
        ({**JSON, "Content-Encoding": "gzip"}, ONE, 400, "not_gzip"),
        ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(ONE)[:-3], 400, "not_gzip"),
        (JSON, b"", 400, "not_json"),
        (JSON, b"\xff", 400, "not_utf8"),
        (JSON, b"[" * 100_000, 400, "too_deep"),
        (JSON, b"[]", 400, "empty"),
    ],
)
async def test_each_unusable_body_has_its_own_reason(client, headers, body, status, reason) -> None:
    answer = await client.score(body, headers)
    assert (answer.status, answer.error["reason"]) == (status, reason)


async def test_a_body_that_does_not_arrive_is_given_up(start) -> None:
    client = await start(limits=Limits(seconds=0.2))
    reader, writer = await client.connect()
    writer.write(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{")
    assert b"408 Request Timeout" in await reader.readline()
    assert b'"reason":"too_slow"' in await reader.readuntil(b"}],")
    writer.close()


async def test_a_stream_that_stands_still_is_given_up(start) -> None:
    client = await start(limits=Limits(seconds=0.2))

    async def halting():
        yield ONE + b"\n"
        await asyncio.sleep(30)

    async with client.session.post("/score", data=halting(), headers=LINES) as response:
        lines = [json.loads(line) async for line in response.content]
    assert lines[0]["CycleTime"] == 1
    assert lines[1]["error"]["reason"] == "too_slow"


async def test_more_requests_than_may_run_are_told_to_come_again(start) -> None:
    client = await start(limits=Limits(requests=1))
    go_on = asyncio.Event()

    async def slow():
        yield ONE + b"\n"
        await go_on.wait()

    async with client.session.post("/score", data=slow(), headers=LINES) as response:
        answer = await client.score(ONE)
        assert (answer.status, answer.error["reason"], answer.headers["Retry-After"]) == (503, "overloaded", "1")
        go_on.set()
        await response.read()
    assert (await client.score(ONE)).status == 200


async def test_small_answers_are_not_compressed_and_large_ones_only_for_those_who_take_it(client) -> None:
    many = [record(1, ConnectionDeviceId=f"e{n}") for n in range(20)]
    asked = {**JSON, "Accept-Encoding": "br, gzip"}
    assert (await client.score(many, asked)).headers.get("Content-Encoding") == "gzip"
    assert "Content-Encoding" not in (await client.score(ONE, asked)).headers
    for other in ("identity", "br", "gzip;q=0"):
        assert "Content-Encoding" not in (await client.score(many, {**JSON, "Accept-Encoding": other})).headers


@pytest.mark.parametrize("blank", [b"\n", b" \r\n", b"x"])
async def test_a_stream_may_not_go_on_without_a_line_that_holds_something(start, blank) -> None:
    client = await start(limits=Limits(barren_bytes=100_000))
    body = ONE + b"\n" + blank * (1_000_000 // len(blank)) + b"\n" + ONE
    answer = await client.score(gzip.compress(body), {**LINES, "Content-Encoding": "gzip"})
    assert [each.get("CycleTime") for each in answer.lines] == [1, None]
    told = answer.lines[1]["error"]
    assert told["reason"] == "too_large"
    assert told["detail"] == "more than 100000 bytes came without a whole line that holds something"


async def test_blank_lines_now_and_then_do_not_hold_a_place(start) -> None:
    client = await start(limits=Limits(seconds=0.3))

    async def trickling():
        yield ONE + b"\n"
        for _ in range(600):
            await asyncio.sleep(0.05)
            yield b"\n"

    async with client.session.post("/score", data=trickling(), headers=LINES) as response:
        answers = [json.loads(line) async for line in response.content]
    assert [each.get("CycleTime") for each in answers] == [1, None]
    assert answers[1]["error"]["reason"] == "too_slow"
