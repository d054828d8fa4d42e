"""A service on a free port, with a small model."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest

from scoring.model.model import Model
from scoring.service.app import Service
from scoring.service.process import served
from tests.onnx_models import tiny_model
from tests.scoring.service.client import Client


@pytest.fixture(scope="session")
def model() -> Model:
    return Model(tiny_model())


@pytest.fixture
async def start(model: Model) -> AsyncIterator[Callable]:
    """Starts services, and ends them after the test."""
    async with AsyncExitStack() as stack:

        async def start(served_model: Model = model, **options) -> Client:
            url = await stack.enter_async_context(served(Service(served_model, **options), "127.0.0.1", 0))
            session = await stack.enter_async_context(aiohttp.ClientSession(url))
            return Client(session)

        yield start


@pytest.fixture
async def client(start: Callable) -> Client:
    return await start()
