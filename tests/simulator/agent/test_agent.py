import json
import re
import signal
from pathlib import Path

import psutil
import pytest

from simulator.errors import ManifestError, SimulatorError
from simulator.runtime import Runtime
from tests.simulator.conftest import A_TO_B, ROOT, manifest, module, module_client, script, soon
from tests.waiting import until

ECHO = ["python3", str(Path(__file__).with_name("echo_module.py"))]


SLEEP = script("import time; print('up', flush=True); time.sleep(600)")


async def gone(pid):
    """Wait until a process has ended; nobody may be there to take note of an orphan's end."""

    def has_ended() -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    await until(has_ended)


@pytest.fixture(autouse=True)
def import_from_the_checkout(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


async def test_a_module_of_the_manifest_is_started_gets_messages_and_sends_upstream(tmp_path):
    content = manifest(A_TO_B, {"b": module(ECHO)})
    async with Runtime(content, tmp_path) as runtime:
        runtime.add_module("a")
        await soon(runtime.hub.subscribed("b"))
        async with module_client(runtime, "a") as client:
            for number in range(20):
                await client.send_message_to_output(json.dumps({"number": number}), "any")
        messages = await soon(runtime.upstream.wait_for(20))
    # The SDK runs handlers side by side, so that the order can change in the module.
    assert sorted(json.loads(message.body)["number"] for message in messages) == list(range(20))
    assert {(message.module, message.output, message.content_type) for message in messages} == {
        ("b", "out", "application/json")
    }


async def test_a_module_that_dies_is_started_again_and_loses_no_message(tmp_path):
    content = manifest(A_TO_B, {"b": module(ECHO)})
    async with Runtime(content, tmp_path, backoff=0.1) as runtime:
        runtime.add_module("a")
        await soon(runtime.hub.subscribed("b"))
        first = runtime.agent["b"].status.pid
        runtime.agent["b"].kill()
        await soon(runtime.hub.disconnected("b"))
        async with module_client(runtime, "a") as client:
            await client.send_message_to_output('"while it is away"', "any")
        await soon(runtime.upstream.wait_for(1))
        status = runtime.agent["b"].status
        assert (status.state, status.restarts, status.exit_code) == ("running", 1, -signal.SIGKILL)
        assert status.pid != first


@pytest.mark.parametrize(
    ("policy", "code", "state"),
    [
        ("never", 3, "failed"),
        ("never", 0, "stopped"),
        ("on-failure", 0, "stopped"),
        ("on-failure", 3, "backoff"),
        ("on-unhealthy", 3, "backoff"),
        ("always", 0, "backoff"),
    ],
)
async def test_a_module_that_ends_is_restarted_as_its_policy_says(policy, code, state, tmp_path):
    content = manifest({}, {"m": module(script(f"raise SystemExit({code})"), policy=policy)})
    async with Runtime(content, tmp_path, backoff=1000) as runtime:
        status = await soon(runtime.agent["m"].until(lambda status: status.exit_code is not None))
        status = await soon(runtime.agent["m"].until(lambda status: status.state != "running"))
        assert (status.state, status.exit_code) == (state, code)


async def test_the_agent_gives_up_after_twenty_restarts(tmp_path):
    content = manifest({}, {"m": module(["sh", "-c", "echo once more; exit 3"])})
    async with Runtime(content, tmp_path, backoff=0) as runtime:
        status = await soon(runtime.agent["m"].until(lambda status: status.state == "failed"))
        assert status.restarts == 20
        assert runtime.agent["m"].text().count("once more") == 21


async def test_the_end_leaves_no_process_behind(tmp_path):
    family = script(
        "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    stubborn = script(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    content = manifest({}, {"family": module(family), "stubborn": module(stubborn)})
    async with Runtime(content, tmp_path) as runtime:
        runtime.agent["stubborn"].stop_within = 0.1
        await until(lambda: runtime.agent["family"].text() and runtime.agent["stubborn"].text())
        pids = [one.status.pid for one in runtime.agent.modules.values()]
        pids.append(int(runtime.agent["family"].text()))
        assert all(psutil.pid_exists(pid) for pid in pids)
    for pid in pids:
        await soon(gone(pid))


async def test_a_module_ended_by_sigterm_can_clean_up(tmp_path):
    tidy = script(
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied', flush=True), sys.exit(0)))\n"
        "print('up', flush=True); time.sleep(600)"
    )
    async with Runtime(manifest({}, {"m": module(tidy)}), tmp_path) as runtime:
        one = runtime.agent["m"]
        await until(one.text)
        await one.stop()
        assert one.text() == "up\ntidied\n"
        assert (one.status.state, one.status.exit_code) == ("stopped", 0)
        await one.start()
        assert one.status.state == "running"


async def test_a_module_gets_its_settings_as_a_container_would(tmp_path):
    model = tmp_path / "on host" / "models"
    model.mkdir(parents=True)
    state = tmp_path / "on host" / "state"
    show = script("import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]), flush=True)")
    entry = module(
        [*show, "/models/deep/b.onnx", "/modelsX"],
        policy="never",
        env={
            "MODEL": "/models/a.onnx",
            "STATE": "/state",
            "ELSEWHERE": "/modelsX/a",
            "LISTEN": "0.0.0.0:9600",
            "RATE": 5,
            "ON": True,
        },
        HostConfig={"Binds": [f"{model}:/models:ro", f"{state}:/state"]},
        Env=["FROM_OPTIONS=1"],
    )
    options = {"environment": {"m": {"RATE": "7"}}, "start_modules": True}
    async with Runtime(manifest({}, {"m": entry}), tmp_path / "home", **options) as runtime:
        await soon(runtime.agent["m"].until(lambda status: status.state == "stopped"))
        environment, arguments = json.loads(runtime.agent["m"].text())
        address = runtime.module_address("m")
        assert environment["MODEL"] == f"{model}/a.onnx"
        assert environment["STATE"] == str(state)
        assert environment["ELSEWHERE"] == "/modelsX/a"
        assert environment["LISTEN"] == f"{address}:9600"
        assert address.startswith("127.")
        assert address != runtime.address
        assert (environment["RATE"], environment["ON"], environment["FROM_OPTIONS"]) == ("7", "true", "1")
        assert arguments == [f"{model}/deep/b.onnx", "/modelsX"]
        assert environment["IOTEDGE_GATEWAYHOSTNAME"] == runtime.address
        assert state.is_dir()
        assert set(environment) - {"LC_CTYPE"} <= {
            *("PATH", "HOME", "LANG", "PYTHONPATH", "MODEL", "STATE", "ELSEWHERE", "LISTEN", "RATE", "ON"),
            *("FROM_OPTIONS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
            *(name for name in environment if name.startswith(("IOTEDGE_", "COV_", "COVERAGE_"))),
        }


async def test_a_read_only_bind_of_a_folder_that_is_not_there_is_refused(tmp_path):
    entry = module(SLEEP, HostConfig={"Binds": [f"{tmp_path}/none:/models:ro"]})
    with pytest.raises(ManifestError, match=r"module m: .*/none of the bind .* does not exist"):
        async with Runtime(manifest({}, {"m": entry}), tmp_path / "home"):
            pass


async def test_a_module_without_a_command_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(ManifestError, match=r"module m has no command.*Cmd"):
        async with Runtime(manifest({}, {"m": module([])}), tmp_path):
            pass


async def test_a_program_that_is_not_there_is_named_and_nothing_is_left_running(tmp_path):
    content = manifest({}, {"good": module(SLEEP, order=0), "bad": module(["no-such-program"], order=1)})
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(SimulatorError, match="module bad: 'no-such-program' cannot be started"):
        async with Runtime(content, tmp_path):
            pass
    assert {child.pid for child in psutil.Process().children(recursive=True)} == before


async def test_modules_start_in_startup_order_and_stopped_ones_not_at_all(tmp_path):
    content = manifest(
        {},
        {
            "last": module(SLEEP, order=5),
            "first": module(SLEEP, order=0),
            "off": module(SLEEP, status="stopped"),
        },
    )
    async with Runtime(content, tmp_path) as runtime:
        modules = runtime.agent.modules
        assert modules["first"].status.started < modules["last"].status.started
        assert modules["off"].status.state == "stopped"
        assert modules["off"].status.pid is None


async def test_two_runtimes_side_by_side_have_their_own_addresses_and_messages(tmp_path):
    content = manifest(A_TO_B, {"b": module(ECHO)})
    async with Runtime(content, tmp_path / "1") as one, Runtime(content, tmp_path / "2") as two:
        assert one.address != two.address
        for number, runtime in enumerate((one, two)):
            runtime.add_module("a")
            async with module_client(runtime, "a") as client:
                await client.send_message_to_output(json.dumps(number), "any")
        for number, runtime in enumerate((one, two)):
            assert [message.body for message in await soon(runtime.upstream.wait_for(1))] == [str(number).encode()]


async def test_a_second_runtime_in_the_same_home_is_refused(tmp_path):
    async with Runtime(manifest({}), tmp_path):
        with pytest.raises(SimulatorError, match="another runtime runs in"):
            async with Runtime(manifest({}), tmp_path):
                pass


async def test_an_address_that_is_taken_is_refused(tmp_path):
    async with Runtime(manifest({}), tmp_path / "1") as runtime:
        with pytest.raises(SimulatorError, match=f"{runtime.address}:8883 cannot be listened on"):
            async with Runtime(manifest({}), tmp_path / "2", address=runtime.address):
                pass


async def test_a_long_log_is_cut_and_its_last_piece_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.agent.agent.LONGEST_LOG", 1000)
    monkeypatch.setattr("simulator.agent.agent.LOG_CHECK", 0.05)
    wordy = script(
        "import time\nfor number in range(10 ** 6):\n print(number, 'x' * 80, flush=True); time.sleep(0.001)"
    )
    async with Runtime(manifest({}, {"m": module(wordy)}), tmp_path) as runtime:
        kept = runtime.agent["m"].log.with_suffix(".1.log")
        await until(kept.exists)
        whole = (kept.read_text() + runtime.agent["m"].text()).splitlines()
    assert len(whole) > 10
    assert runtime.agent["m"].log.stat().st_size < 100_000


async def test_what_a_module_has_started_ends_with_it_when_it_dies(tmp_path):
    family = script(
        "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    async with Runtime(manifest({}, {"m": module(family)}), tmp_path, backoff=1000) as runtime:
        one = runtime.agent["m"]
        await until(one.text)
        one.kill()
        await soon(one.until(lambda status: status.state == "backoff"))
        await soon(gone(int(one.text())))


async def test_a_program_that_vanishes_is_tried_again_like_one_that_dies(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    async with Runtime(manifest({}, {"m": module([str(program)])}), tmp_path / "home", backoff=0) as runtime:
        await soon(runtime.agent["m"].until(lambda status: status.restarts > 0))
        program.unlink()
        status = await soon(runtime.agent["m"].until(lambda status: status.state == "failed"))
        assert (status.exit_code, status.restarts) == (127, 20)


async def test_the_pause_before_a_restart_doubles_up_to_a_limit(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("simulator.agent.agent.LONGEST_BACKOFF", 0.04)
    async with Runtime(manifest({}, {"m": module(["sh", "-c", "exit 3"])}), tmp_path, backoff=0.01) as runtime:
        await soon(runtime.agent["m"].until(lambda status: status.restarts >= 4))
    pauses = re.findall(r"module m ended with 3; started again in (\S+) s", caplog.text)
    assert pauses[:4] == ["0.01", "0.02", "0.04", "0.04"]


async def test_a_module_that_was_up_long_enough_starts_to_count_anew(tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.agent.agent.WELL_AFTER", 0.0)
    content = manifest({}, {"m": module(["sh", "-c", "echo once more"])})
    async with Runtime(content, tmp_path, backoff=0) as runtime:
        await until(lambda: runtime.agent["m"].text().count("once more") >= 25)
        assert runtime.agent["m"].status.restarts <= 1
        assert runtime.agent["m"].status.state != "failed"
