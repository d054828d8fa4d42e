import asyncio
import gzip
import json

from scoring.predictions.classifier import Classifier
from tests.onnx_models import record
from tests.scoring.service.client import LINES


def of(engine: str, cycle: int, rul: float = 100.0) -> dict:
    return record(cycle, rul, ConnectionDeviceId=engine)


async def test_each_line_is_answered_by_a_line_in_its_order(client) -> None:
    answer = await client.score_lines(*(of("a", cycle, 100.0 + cycle) for cycle in range(1, 1001)))
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [each["PredictedRul"] for each in answer.lines] == [100.0 + cycle for cycle in range(1, 1001)]


async def test_lines_are_scored_as_the_same_records_in_json(client) -> None:
    records = [of("a", cycle) for cycle in range(1, 8)]
    expected = (await client.score([{**each, "ConnectionDeviceId": "b"} for each in records])).json
    answer = await client.score_lines(*records)
    assert [{**each, "ConnectionDeviceId": "b"} for each in answer.lines] == expected


async def test_a_line_with_a_trajectory_is_answered_by_one_line_whatever_stands_beside_it(client) -> None:
    long = {"ConnectionDeviceId": "t", "rows": [of("t", cycle, 100.0 + cycle) for cycle in range(1, 201)], "each": True}
    bad = {**long, "rows": [*long["rows"], 7]}
    short = {**long, "rows": long["rows"][:3]}
    answer = await client.score_lines(of("a", 1), long, bad, of("a", 2), short)
    assert [each.get("CycleTime") for each in answer.lines] == [1, list(range(1, 201)), None, 2, [1, 2, 3]]
    assert answer.lines[1]["PredictedRul"] == [100.0 + cycle for cycle in range(1, 201)]
    assert answer.lines[2]["error"]["line"] == 3
    assert answer.lines[2]["error"]["detail"].startswith("message 200 of rows: ")
    assert await client.metric("predictions_total") == 205


async def test_a_trajectory_that_makes_the_model_fail_does_not_spoil_the_lines_beside_it(client, monkeypatch) -> None:
    predict = Classifier.predict

    def failing(classifier, batch):
        if "poison" in batch.engines:
            raise RuntimeError("no kernel for this")
        return predict(classifier, batch)

    monkeypatch.setattr(Classifier, "predict", failing)
    long = [of("a", cycle) for cycle in range(1, 101)]
    lines = [{"ConnectionDeviceId": engine, "rows": long, "each": True} for engine in ("a", "poison", "b", "poison")]
    answer = await client.score_lines(*lines, b"{", of("c", 1))
    assert [each.get("ConnectionDeviceId") for each in answer.lines] == ["a", None, "b", None, None, "c"]
    errors = [each["error"] for each in answer.lines if "error" in each]
    assert [(each["line"], each["reason"]) for each in errors] == [(2, "failed"), (4, "failed"), (5, "not_json")]


async def test_a_bad_line_is_answered_with_its_number_and_the_others_are_scored(client) -> None:
    bad_field = {**of("a", 2), "Sensor3": "x"}
    answer = await client.score_lines(of("a", 50), b"", bad_field, b"{", of("a", 1000), of("a", 3), of("a", 1001))
    assert [each.get("CycleTime") for each in answer.lines] == [50, None, None, 1000, None, 1001]
    errors = [each["error"] for each in answer.lines if "error" in each]
    assert [(each["line"], each["reason"], each.get("field")) for each in errors] == [
        (3, "wrong_type", "Sensor3"),
        (4, "not_json", None),
        (6, "stale_cycle", "CycleTime"),
    ]


async def test_an_overlong_line_costs_only_itself(client) -> None:
    answer = await client.score_lines(of("a", 1), b'"' + b"x" * 1_000_000 + b'"', of("a", 2))
    assert [each.get("CycleTime") for each in answer.lines] == [1, None, 2]
    assert answer.lines[1]["error"]["reason"] == "too_large"


async def test_a_line_is_answered_while_the_next_is_not_yet_sent(client) -> None:
    answers: asyncio.Queue = asyncio.Queue()

    async def conversation():
        for cycle in range(1, 4):
            yield json.dumps(of("a", cycle)).encode() + b"\n"
            assert (await answers.get())["CycleTime"] == cycle

    async with client.session.post("/score", data=conversation(), headers=LINES) as response:
        async for line in response.content:
            await answers.put(json.loads(line))
    assert answers.empty()


async def test_gzip_goes_both_ways(client) -> None:
    lines = "".join(json.dumps(of("a", cycle)) + "\n" for cycle in range(1, 100)).encode()
    halves = gzip.compress(lines[:5000]) + gzip.compress(lines[5000:])
    headers = {**LINES, "Content-Encoding": "gzip", "Accept-Encoding": "gzip"}
    answer = await client.score(halves, headers)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert [each["CycleTime"] for each in answer.lines] == list(range(1, 100))


async def test_a_stream_whose_gzip_breaks_off_says_so_in_its_last_line(client) -> None:
    body = gzip.compress(json.dumps(of("a", 1)).encode() + b"\n")[:-4]
    answer = await client.score(body, {**LINES, "Content-Encoding": "gzip"})
    assert answer.lines[-1]["error"]["reason"] == "not_gzip"


async def test_a_caller_that_goes_in_mid_stream_leaves_nothing_behind(client) -> None:
    reader, writer = await client.connect()
    line = json.dumps(of("a", 1)).encode() + b"\n"
    writer.write(
        b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 9999999\r\n\r\n"
    )
    writer.write(line)
    assert b"200 OK" in await reader.readline()
    assert await client.metric("running_requests") == 1
    writer.close()
    await client.until("running_requests", lambda value: not value)
    assert (await client.score(of("a", 2))).status == 200


async def test_an_empty_stream_has_an_empty_answer(client) -> None:
    answer = await client.score(b"\n\n", LINES)
    assert (answer.status, answer.text) == (200, "")
