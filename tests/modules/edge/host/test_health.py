import asyncio
import os
import subprocess
import sys

import pytest

from modules.edge.host.health import Check, Health
from modules.edge.host.metrics import Metrics
from modules.edge.settings import Address, SettingError


async def check(listen: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "modules.edge.host.health",
        env={**os.environ, "METRICS_LISTEN": listen},
        stderr=subprocess.PIPE,
    )
    _, error = await process.communicate()
    return process.returncode, error.decode().strip()


def served(listen: str, check: Check = lambda: None):
    host, _, port = listen.rpartition(":")
    return Metrics("rulclassifier").served(Address(host, int(port)), check)


async def test_a_check_finds_a_module_well_that_is_connected() -> None:
    async with served("0.0.0.0:0") as address:
        assert await check(str(address)) == (0, "")


async def test_a_check_says_what_is_wrong_with_a_module_that_is_not_connected() -> None:
    async with served("127.0.0.1:0", lambda: "not connected") as address:
        assert await check(str(address)) == (1, "not connected")


async def test_a_check_finds_fault_where_nothing_answers() -> None:
    async with served("127.0.0.1:0") as address:
        pass
    code, error = await check(str(address))
    assert code == 1
    assert error.startswith(f"nothing answers at {address}")


@pytest.mark.parametrize("listen", ["", "9600", "here:http"])
async def test_a_check_says_what_metrics_listen_should_be(listen) -> None:
    code, error = await check(listen)
    assert code == 1
    assert f"METRICS_LISTEN is '{listen}'" in error or "METRICS_LISTEN is empty" in error
    assert "host:port" in error


def test_what_is_wrong_first_is_told_first_and_nothing_if_nothing_is() -> None:
    health = Health("the model is being loaded")
    assert health.trouble() == "the model is being loaded"
    wrong: dict[str, str | None] = {"connected": None, "storing": "not storing: disk full", "scoring": "not scoring"}
    health.watch(lambda: wrong["connected"], lambda: wrong["storing"], lambda: wrong["scoring"])
    assert health.trouble() == "not storing: disk full"
    wrong["storing"] = None
    assert health.trouble() == "not scoring"
    wrong["scoring"] = None
    assert health.trouble() is None


async def test_a_port_that_is_taken_is_refused_in_one_line() -> None:
    async with served("127.0.0.1:0") as address:
        with pytest.raises(SettingError, match=rf"^METRICS_LISTEN is '{address}', where nothing can listen: .*in use"):
            async with served(str(address)):
                pass
