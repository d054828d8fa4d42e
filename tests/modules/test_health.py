import asyncio
import os
import subprocess
import sys

from modules.edge.metrics import Metrics


async def check(listen: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "modules.edge.health",
        env={**os.environ, "METRICS_LISTEN": listen},
        stderr=subprocess.PIPE,
    )
    _, error = await process.communicate()
    return process.returncode, error.decode().strip()


async def test_a_check_finds_a_module_well_that_is_connected() -> None:
    async with Metrics("rulclassifier").served("0.0.0.0:0", lambda: True) as address:
        assert await check(address) == (0, "")


async def test_a_check_says_what_is_wrong_with_a_module_that_is_not_connected() -> None:
    async with Metrics("rulclassifier").served("127.0.0.1:0", lambda: False) as address:
        assert await check(address) == (1, "not connected")


async def test_a_check_finds_fault_where_nothing_answers() -> None:
    async with Metrics("rulclassifier").served("127.0.0.1:0", lambda: True) as address:
        pass
    code, error = await check(address)
    assert code == 1
    assert error.startswith(f"nothing answers at {address}")


async def test_a_check_says_what_metrics_listen_should_be() -> None:
    code, error = await check("")
    assert code == 1
    assert "METRICS_LISTEN is ''" in error
