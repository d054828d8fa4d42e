import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from scoring.service.process import is_loopback
from tests.onnx_models import record, tiny_model
from tests.scoring.service.client import LINES, Client
from tests.scoring.service.running import running
from tests.waiting import until


@pytest.fixture(scope="module")
def model_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    path.write_bytes(tiny_model())
    return path


async def test_at_its_end_the_service_finishes_what_runs_and_takes_nothing_new(model_path, tmp_path) -> None:
    line = json.dumps(record(1, ConnectionDeviceId="a")).encode() + b"\n"
    with running(model_path, tmp_path) as service:
        async with aiohttp.ClientSession(service.url) as session:
            client = Client(session)
            go_on = asyncio.Event()

            async def stream():
                yield line
                await go_on.wait()
                yield line

            async with session.post("/score", data=stream(), headers=LINES) as response:
                first = await response.content.readline()
                assert (await client.get("/health/ready")).status == 200
                service.process.send_signal(signal.SIGTERM)
                # On connections that are open; a new one finds nobody listening.
                while True:
                    try:
                        answer = await client.score(line)
                    except aiohttp.ClientConnectionError:
                        break
                    if answer.status == 503:
                        break
                go_on.set()
                assert await response.content.readline() == first
        assert await asyncio.to_thread(service.process.wait, 30) == 0
    assert "stopped" in service.log()


@pytest.mark.whole
async def test_streams_that_go_on_when_the_service_ends_are_told_so_in_their_last_line(model_path, tmp_path) -> None:
    line = json.dumps(record(1, ConnectionDeviceId="a")).encode() + b"\n"
    with running(model_path, tmp_path) as service:
        async with aiohttp.ClientSession(service.url) as session:

            async def halting():
                yield line
                await asyncio.sleep(60)

            async def endless():
                while True:
                    yield line * 100
                    await asyncio.sleep(0.01)

            async def ask(lines) -> list[bytes]:
                async with session.post("/score", data=lines, headers=LINES) as response:
                    begun.release()
                    return [each async for each in response.content]

            begun = asyncio.Semaphore(0)
            # One has nothing to say at that time, and would be given up later; the other never stops.
            asked = [asyncio.create_task(ask(lines)) for lines in (halting(), endless())]
            await begun.acquire()
            await begun.acquire()
            service.process.send_signal(signal.SIGTERM)
            for answers in await asyncio.gather(*asked):
                assert json.loads(answers[0])["PredictedRul"]
                assert json.loads(answers[-1])["error"] == {
                    "reason": "ending",
                    "detail": "the service is ending; send again what has no answer",
                }
        assert await asyncio.to_thread(service.process.wait, 30) == 0
    assert "did not end in time" not in service.log()


async def closed(opened) -> None:
    """What were left open would be found in another test."""
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in opened), return_exceptions=True)


@pytest.mark.whole
async def test_of_connections_that_come_at_once_no_more_are_let_in_than_may_be(model_path, tmp_path) -> None:
    with running(model_path, tmp_path, "--seconds", "300", files=256) as service:
        host, port = service.url.removeprefix("http://").split(":")
        opened = await asyncio.gather(*(asyncio.open_connection(host, int(port)) for _ in range(300)))
        reading = [asyncio.create_task(reader.read(12)) for reader, _ in opened]
        # Those that are let in are told nothing.
        await until(lambda: sum(each.done() for each in reading) >= 300 - 64)
        await asyncio.sleep(1)
        refused = [each.result() for each in reading if each.done()]
        for each in reading:
            each.cancel()
        await asyncio.wait(reading)
        await closed(opened)
    assert refused == [b"HTTP/1.1 503"] * (300 - 64)


@pytest.mark.whole
async def test_a_flood_of_connections_leaves_files_for_those_that_are_let_in_and_few_lines_in_the_log(
    model_path, tmp_path
) -> None:
    with running(model_path, tmp_path, files=256) as service:
        host, port = service.url.removeprefix("http://").split(":")
        async with aiohttp.ClientSession(service.url) as session:
            client = Client(session)
            assert (await client.get("/health/live")).status == 200
            opened = [await asyncio.open_connection(host, int(port)) for _ in range(600)]
            firsts = await asyncio.gather(*(asyncio.wait_for(reader.read(12), 5) for reader, _ in opened[200:]))
            assert set(firsts) == {b"HTTP/1.1 503"}
            assert (await client.get("/health/live")).status == 200
            assert await client.metric("connections") == await client.metric("connections_limit") == 64
            await closed(opened)
    assert "at most 64 connections: the limit of open files allows no more" in service.log()
    assert service.log().count("\n") < 20


async def test_keys_from_file_and_environment_guard_the_service_and_stand_in_no_log(model_path, tmp_path) -> None:
    (tmp_path / "keys").write_text("a-key-from-a-file\n")
    with running(
        model_path, tmp_path, "--keys", str(tmp_path / "keys"), SCORING_KEYS="a-key-from-the-environment"
    ) as service:
        async with aiohttp.ClientSession(service.url) as session:
            client = Client(session)
            for key, status in (("a-key-from-a-file", 200), ("a-key-from-the-environment", 200), ("another-key", 401)):
                answer = await client.get("/model", headers={"Authorization": f"Bearer {key}"})
                assert answer.status == status
            reader, writer = await client.connect()
            writer.write(b"GET /model HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a-key-from-a-file\0\r\n\r\n")
            assert b"400" in await reader.readline()
            writer.close()
    assert "a-key-from" not in service.log()


@pytest.mark.whole
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.onnx"], "error: model absent.onnx cannot be read: No such file or directory"),
        (["{model}", "--engine", "no spaces"], "the engine id 'no spaces' does not have the form"),
        (["{model}", "--keys", "absent.keys"], "error: the file of keys absent.keys cannot be read"),
        (["{model}", "--port", "70000"], "'70000', expected a number from 0 to 65535"),
        (["{model}", "--host", "192.0.2.1"], "error: "),
        (["{model}", "--connections", "0"], "'0', expected a number from 1 to 100000"),
    ],
)
def test_what_cannot_be_served_ends_with_one_line_that_says_why(model_path, arguments, message) -> None:
    given = [each.format(model=model_path) for each in arguments]
    ended = subprocess.run(
        [sys.executable, "-m", "scoring", "serve", *given], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert message in ended.stderr.strip().splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_service_that_all_may_reach_and_use_says_so(model_path, tmp_path) -> None:
    with running(model_path, tmp_path, "--host", "0.0.0.0") as service:
        pass
    assert "everybody who reaches 0.0.0.0 may score" in service.log()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("10.1.2.3", False), ("box", False)],
)
def test_loopback_is_told_from_what_others_reach(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
