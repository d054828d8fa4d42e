"""`python -m simulator` as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from scoring.version import VERSION
from simulator.__main__ import main
from tests.simulator.conftest import ROOT, bare, manifest, module, running, script, simulator, soon

pytestmark = pytest.mark.whole


def follow(home, count, *options):
    """The first lines that `upstream --follow` shows."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "upstream", "--home", str(home), "--follow", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        return [process.stdout.readline() for _ in range(count)]
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_shows_what_arrives_and_ends_cleanly_when_told_to(simulator_process, number):
    process, home = simulator_process
    lines = [json.loads(line) for line in follow(home, 3, "--json")]
    assert [json.loads(line["body"]) for line in lines] == [{"number": number} for number in range(3)]
    assert [line["message_id"] for line in lines] == ["id-0", "id-1", "id-2"]
    assert lines[0]["system"]["iothub-connection-module-id"] == "sender"
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(number)
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert not [child for child in children if child.is_running()]
    assert not (home / "runtime.json").exists()
    assert "Traceback" not in log
    plain = simulator("upstream", "--home", home)
    shown = [line.split(" ", 2) for line in plain.stdout.splitlines()]
    for index, (seq, arrived, rest) in enumerate(shown):
        assert seq == str(index + 1)
        assert datetime.fromisoformat(arrived).timestamp() == pytest.approx(lines[index]["enqueued"], abs=0.001)
        assert rest == f'edge-device/sender/out {{"number": {index}}}'
    assert len(shown) == 3


async def test_upstream_shows_one_output_one_device_and_why_a_message_is_a_dead_letter(tmp_path, capsys, monkeypatch):
    routes = {"up": "FROM /messages/* INTO $upstream"}
    async with running(manifest(routes), tmp_path, "a") as runtime, bare(runtime, "a") as a:
        await soon(a.send(b'{"ConnectionDeviceId": "Pump_1"}', output="predictions"))
        await soon(a.send(b'{"ConnectionDeviceId": "Pump_2"}', output="predictions"))
        bad = "reason=not-json&detail=expected%20a%20value"
        await soon(a.send("line\n\x1b[31mü".encode(), output="deadletter", bag=bad))
        await soon(runtime.upstream.wait_for(3))

    def shown(*options):
        assert main(["upstream", *options]) == 0
        return [line.split(" ", 2)[2] for line in capsys.readouterr().out.splitlines()]

    monkeypatch.setenv("TURBOFAN_HOME", str(tmp_path))
    one, two = (f'edge-device/a/predictions {{"ConnectionDeviceId": "Pump_{number}"}}' for number in (1, 2))
    letter = "edge-device/a/deadletter (not-json: expected a value) line\\n\\x1b[31mü"
    assert shown() == [one, two, letter]
    assert shown("--output", "deadletter") == [letter]
    assert shown("--device", "Pump_2") == [two]
    assert shown("--device", "edge-device", "--output", "predictions") == [one, two]
    assert shown("--device", "Pump_2", "--output", "deadletter") == []


def test_the_home_is_that_of_the_environment_unless_another_is_given(simulator_process, tmp_path):
    _, home = simulator_process
    follow(home, 1)
    environment = {**os.environ, "TURBOFAN_HOME": str(home)}
    for command in (["status"], ["logs", "sender"], ["fault", "clear"], ["devices", "--print"], ["upstream"]):
        done = simulator(*command, env=environment)
        assert (done.returncode, done.stderr) == (0, ""), command
    refused = simulator("status", "--home", tmp_path / "other", env=environment)
    assert refused.returncode == 2
    assert "no runtime runs in" in refused.stderr
    # There an empty value is none.
    nowhere = simulator("status", env={**environment, "TURBOFAN_HOME": ""})
    assert "the following arguments are required: --home" in nowhere.stderr


def test_a_run_tells_where_its_modules_listen(tmp_path):
    listening = module(script("import time; time.sleep(600)"), env={"METRICS_LISTEN": "0.0.0.0:9600", "OTHER": "x"})
    talking = module(script("import time; time.sleep(600)"), Env=["PORT=0.0.0.0:80"])
    (tmp_path / "manifest.json").write_text(json.dumps(manifest({}, {"one": listening, "two": talking})))
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", "manifest.json", "--home", "home"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        lines = [process.stdout.readline() for _ in "123"]
        status = json.loads(simulator("status", "--home", tmp_path / "home").stdout)
    finally:
        process.terminate()
        process.communicate()
    address = status["modules"]["one"]["listens"]["METRICS_LISTEN"]
    assert re.fullmatch(r"127\.\d+\.\d+\.\d+:9600", address)
    assert lines[1] == f"one listens at http://{address}/metrics (METRICS_LISTEN)\n"
    assert lines[2] == f"two listens at {status['modules']['two']['listens']['PORT']} (PORT)\n"


def test_keys_and_what_gives_them_are_their_owners_alone(simulator_process):
    _, home = simulator_process
    control = Path(json.loads((home / "runtime.json").read_text())["control"])
    private = [control, *home.rglob("*.sqlite3*"), *home.rglob("*key*.pem")]
    assert len(private) >= 4
    assert {path: oct(path.stat().st_mode & 0o777) for path in private} == dict.fromkeys(private, "0o600")


@pytest.mark.parametrize("command", [["upstream"], ["status"], ["logs", "sender"]])
def test_a_reader_that_has_seen_enough_is_no_error(simulator_process, command):
    _, home = simulator_process
    follow(home, 1)
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "simulator", *command, "--home", str(home)]
    shown = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (shown.returncode, shown.stderr) == (0, b"")


def test_engines_are_written(tmp_path):
    result = simulator("engines", "--out", tmp_path, "--train", 2, "--test", 1)
    assert result.returncode == 0
    assert [Path(line).name for line in result.stdout.split()] == [
        "train_FD003.txt",
        "test_FD003.txt",
        "RUL_FD003.txt",
        "ended_FD003.csv",
    ]
    assert all(Path(line).exists() for line in result.stdout.split())


def test_a_manifest_is_generated_and_can_be_run(tmp_path):
    environment = os.environ | {
        line.split("=")[0]: line.split("=")[1].strip()
        for line in (ROOT / ".env.example").read_text().splitlines()
        if "=" in line and not line.startswith("#")
    }
    environment["CONTAINER_REGISTRY"] = "pumps.azurecr.io"
    out = tmp_path / "manifest.json"
    result = simulator("manifest", "--arch", "arm32v7", "--out", out, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert "arm32v7" in out.read_text()


def test_a_manifest_that_keeps_nothing_of_the_runtime_on_the_host_is_warned_of_and_made_all_the_same(tmp_path):
    template = tmp_path / "deployment.template.json"
    content = json.loads((ROOT / "examples" / "ten_line_manifest.json").read_text())
    for each in content["modulesContent"]["$edgeAgent"]["properties.desired"]["systemModules"].values():
        del each["env"]
    template.write_text(json.dumps(content))
    made = simulator("manifest", "--template", template)
    assert made.returncode == 0
    assert "edgeHub" in json.loads(made.stdout)["modulesContent"]["$edgeAgent"]["properties.desired"]["systemModules"]
    assert [line.split(" keeps ")[0] for line in made.stderr.splitlines()[:2]] == [
        "warning: edgeHub",
        "warning: edgeAgent",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "run", str(template), "--home", str(tmp_path / "home")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("running at 127.")
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert "WARN edgeHub keeps its store in its container" in errors


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "absent.json", "--home", "home"), "absent.json"),
        (("run", "text.json", "--home", "home"), "text.json"),
        (("run", ".", "--home", "home"), "Is a directory"),
        (("run", "ten_lines.json", "--home", "text.json/home"), "text.json/home"),
        (("run", "ten_lines.json", "--home", "home", "--address", "192.0.2.1"), "192.0.2.1:8883"),
        (("run", "ten_lines.json", "--home", "home", "--inject-into", "absent"), "absent"),
        (("run", "ten_lines.json", "--home", "home", "--containers", "no-such-program"), "no-such-program"),
        (
            ("run", "ten_lines.json", "--home", "home", "--backoff", "nan"),
            "argument --backoff: 'nan', expected a number",
        ),
        (("upstream", "--home", "home"), "home"),
        (("status", "--home", "home"), "home"),
        (("logs", "sender", "--home", "home"), "there is no log of sender"),
        (("logs", "sender", "--home", "home", "--tail", "-5"), "argument --tail: '-5', expected a number"),
        (("twin", "sender", "--home", "home", "--desired", "{rate: 1}"), "'{rate: 1}' is not JSON"),
        (("module", "restart", "sender", "--home", "home"), "invalid choice: 'restart'"),
        (("fault", "explode", "--home", "home"), "invalid choice: 'explode'"),
        (("fault", "delay", "soon", "--home", "home"), "invalid float value: 'soon'"),
        (("manifest", "--template", "absent.json"), "absent.json"),
        (("manifest", "--template", "ten_lines.json", "--out", "text.json/x"), "text.json/x"),
        (("engines", "--out", "text.json"), "text.json"),
        (("engines", "--out", "engines", "--train", "-1"), "argument --train: '-1', expected a number"),
        (("engines", "--out", "engines", "--subset", "FD005"), "invalid choice: 'FD005'"),
        (("devices", "--home", "home", "--count", "0"), "argument --count: '0', expected a number"),
        (("devices", "--home", "home"), "home"),
        (("devices", "--connection-strings", "absent.txt"), "absent.txt"),
        (("devices", "--connection-strings", "text.json"), "text.json, line 1: no HostName and no DeviceId"),
        (("devices", "--connection-strings", "strings.txt"), "pump cannot connect to 127.0.0.1: "),
        (
            ("devices", "--connection-strings", "strings.txt", "--gateway", "127.0.0.2"),
            "pump cannot connect to 127.0.0.2",
        ),
        (("devices", "--connection-strings", "strings.txt", "--trust-bundle", "text.json"), "no start line"),
        (("devices", "--register"), "the hub owner's connection string is HostName="),
        (("devices", "--home", "home", "--telemetry", "absent.txt"), "absent.txt"),
        (("devices",), "one of the arguments --home --connection-strings --register is required"),
        ((), "COMMAND"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ten_lines.json").write_bytes((ROOT / "examples" / "ten_line_manifest.json").read_bytes())
    (tmp_path / "text.json").write_text("no JSON, and no connection string")
    (tmp_path / "strings.txt").write_text("HostName=127.0.0.1;DeviceId=pump;SharedAccessKey=c2VjcmV0")
    monkeypatch.setenv("IOTHUB_CONNECTION_STRING", "c2VjcmV0")
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = ended.code
    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    # What the runtime logs until then is no error.
    errors = [line for line in shown.err.splitlines() if " INFO " not in line and not line.startswith("warning: ")]
    assert len(errors) == 1, errors
    assert errors[0].startswith("error: ")
    assert told in errors[0]
    assert "c2VjcmV0" not in errors[0]


def test_every_command_has_an_example_and_tells_its_options_and_defaults():
    shown = simulator("--help").stdout
    assert simulator("--version").stdout == f"turbofan-edge {VERSION}\n"
    commands = re.findall(r"^    ([a-z-]+)\b", shown, re.MULTILINE)
    faults = re.findall(r"^    ([a-z-]+)\b", simulator("fault", "--help").stdout, re.MULTILINE)
    assert len(commands) >= 12
    assert len(faults) >= 10
    for command in [*([each] for each in commands), *(["fault", each] for each in faults)]:
        told = simulator(*command, "--help").stdout
        assert f"example:\n  python -m simulator {' '.join(command)} " in told
        # An option without a word of its own is followed by the next one.
        lines = told.split("options:\n")[1].split("\n\n")[0].splitlines()
        for line, following in zip(lines, [*lines[1:], "  -"], strict=True):
            assert not re.fullmatch(r"  --\S+( \S+)?", line) or not following.startswith("  -"), (command, line)
        assert "default: None" not in told


def test_without_what_it_needs_it_says_how_to_bring_it(monkeypatch, capsys):
    for name in [each for each in sys.modules if each.startswith("simulator.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "simulator.agent.template", raising=False)
    monkeypatch.delattr("simulator.agent.template", raising=False)
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert main(["status", "--home", "home"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: the simulator needs ")
    assert told.endswith(' is not installed: pip install "turbofan-edge[edge,simulator]"\n')


def test_ctrl_c_is_told_in_one_line(tmp_path):
    command = [sys.executable, "-m", "simulator", "engines", "--out", str(tmp_path), "--train", "100000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "stopped\n")
