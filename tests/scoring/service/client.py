"""A caller of the service, as tests need one."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from tests.waiting import PATIENCE

JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


@dataclass
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def lines(self) -> list:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def error(self) -> dict:
        """The first of the errors."""
        return self.json["errors"][0]


class Client:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def request(self, method: str, path: str, **options) -> Answer:
        async with self.session.request(method, path, **options) as response:
            return Answer(response.status, dict(response.headers), await response.text())

    async def get(self, path: str, **options) -> Answer:
        return await self.request("GET", path, **options)

    async def score(self, payload, headers=JSON) -> Answer:
        """Post an object as JSON, or bytes as they are."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return await self.request("POST", "/score", data=body, headers=headers)

    async def score_lines(self, *payloads, headers=LINES) -> Answer:
        """Post objects, or bytes as they are, as one line each."""
        body = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in payloads]
        return await self.score(b"\n".join(body), headers)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = (await self.get("/metrics")).text
        return sum(float(value) for value in re.findall(rf"^scoring_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))

    async def until(self, name: str, holds: Callable[[float], object]) -> None:
        """Wait until a metric has such a value."""
        async with asyncio.timeout(PATIENCE):
            while not holds(await self.metric(name)):
                await asyncio.sleep(0.01)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection, for what no well-behaved client does."""
        url = self.session._base_url
        return await asyncio.open_connection(url.host, url.port)
