"""Files in Azure Blob Storage, which Azurite stands in for; the client is Azure's own."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.onnx_models import record, tiny_model
from tests.places import ROOT
from tests.scoring.batch import files

pytestmark = pytest.mark.whole

MADE = ROOT / "out" / "azure"
AZURITE = ROOT / "tests" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
# Azurite's only account; its documentation has the key.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
# The client tries again after about 15, 20 and 35 s before it gives up.
PATIENCE = 250

STORE = """
import os, sys, fsspec
files = fsspec.filesystem("abfs", connection_string=os.environ["AZURE_STORAGE_CONNECTION_STRING"])
command, *paths = sys.argv[1:]
if command == "make":
    files.mkdir(*paths)
elif command == "put":
    files.put(*paths)
elif command == "list":
    print(*files.find(*paths), sep="\\n")
else:
    sys.stdout.write(files.cat_file(*paths).decode())
"""


class Storage:
    """Azurite with a folder; it can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        endpoint = f"BlobEndpoint=http://127.0.0.1:{self.port}/{ACCOUNT}"
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoint};"
        self.variables = {
            **os.environ,
            "AZURE_STORAGE_CONNECTION_STRING": connection,
            "PYTHONPATH": str(ROOT),
        }
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        options = ["--blobPort", str(self.port), "--location", str(self._folder), "--skipApiVersionCheck"]
        quiet = ["--silent", "--disableTelemetry"]
        self._process = subprocess.Popen(["node", str(AZURITE), *options, *quiet], stdout=subprocess.DEVNULL)
        while not self._answers():
            assert self._process.poll() is None
            time.sleep(0.05)

    def _answers(self) -> bool:
        with socket.socket() as connection:
            return not connection.connect_ex(("127.0.0.1", self.port))

    def stop(self) -> None:
        """Stop it so that it writes down what it knows."""
        if self._process:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def do(self, *command: object) -> str:
        """Make a container, put a file, list or read files."""
        given = [str(MADE / "bin" / "python"), "-c", STORE, *map(str, command)]
        return subprocess.run(given, check=True, env=self.variables, stdout=subprocess.PIPE, text=True).stdout

    def batch(self, *options: object) -> subprocess.Popen:
        """Run `python -m scoring batch`."""
        given = [str(MADE / "bin" / "python"), "-m", "scoring", "batch", *map(str, options)]
        return subprocess.Popen(
            given, env=self.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
        )


@pytest.fixture
def storage(tmp_path) -> Iterator[Storage]:
    if not (MADE / "ready").exists():
        pytest.skip(
            "neither Azure's client nor Azurite is here: make azure (needs Node.js: apt-get install nodejs npm)"
        )
    storage = Storage(tmp_path / "azurite")
    storage.start()
    try:
        storage.do("make", "hub")
        yield storage
    finally:
        storage.stop()


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(tiny_model())
    return path


def lives(engines: int, cycles: int) -> list[dict]:
    values = np.random.default_rng(1).uniform(10, 120, (engines, cycles)).round(2)
    return [
        record(cycle, float(values[engine, cycle - 1]), ConnectionDeviceId=f"e{engine}")
        for engine in range(engines)
        for cycle in range(1, cycles + 1)
    ]


def ended(process: subprocess.Popen) -> tuple[int, list[str]]:
    told, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, told.splitlines()


@pytest.mark.timeout(PATIENCE)
def test_a_capture_a_model_and_the_output_can_all_be_in_the_storage(storage, model, tmp_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", lives(2, 30))
    files.write_capture(tmp_path / "t.avro", lives(2, 30))
    (tmp_path / "empty.avro").touch()
    for each in ("t.ndjson", "t.avro", "empty.avro"):
        storage.do("put", tmp_path / each, f"hub/in/{each}")
    storage.do("put", model, "hub/models/tiny.onnx")
    status, told = ended(
        storage.batch("abfs://hub/in/*.avro", "abfs://hub/out/p.ndjson", "--model", "abfs://hub/models/tiny.onnx")
    )
    assert status == 0, told
    empty, scored = told
    assert empty == "1 of 2 files hold no message, such as abfs://hub/in/empty.avro"
    assert scored.startswith("60 scored in ")
    assert scored.endswith("written to abfs://hub/out/p.ndjson")
    assert ended(storage.batch("abfs://hub/in/t.ndjson", "abfs://hub/out/p.csv.gz", "--model", model))[0] == 0
    assert ended(storage.batch(given, tmp_path / "p.ndjson", "--model", model))[0] == 0
    assert storage.do("read", "hub/out/p.ndjson") == (tmp_path / "p.ndjson").read_text()
    assert storage.do("list", "hub/out").split() == ["hub/out/p.csv.gz", "hub/out/p.ndjson"]


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize(
    "case",
    [
        ("abfs://hub/none.csv", "p.csv", "abfs://hub/none.csv cannot be read: "),
        ("abfs://none/none.csv", "p.csv", "abfs://none/none.csv cannot be read: "),
        ("t.csv", "abfs://none/p.csv", "abfs://none/p.csv.parts/run.json cannot be written: "),
        ("t.csv", "abfs://hub/there.csv", "abfs://hub/there.csv exists; delete it, or name another output"),
        ("s3://hub/t.csv", "p.csv", "s3://hub/t.csv cannot be reached: ImportError Install s3fs"),
        ("ftps://hub/t.csv", "p.csv", "ftps://hub/t.csv cannot be reached: Protocol not known: ftps"),
    ],
)
def test_what_cannot_be_had_there_is_told_in_one_line(storage, model, tmp_path, case) -> None:
    given, output, told = case
    files.write_csv(tmp_path / "t.csv", lives(1, 3))
    storage.do("put", tmp_path / "t.csv", "hub/there.csv")
    places = [each if "://" in each else tmp_path / each for each in (given, output)]
    status, (line,) = ended(storage.batch(*places, "--model", model))
    assert status == 2
    assert line.startswith(f"error: {told}")
    assert len(line) < 600


@pytest.mark.timeout(PATIENCE)
def test_a_place_that_is_not_set_up_is_told_in_one_line(storage, model, tmp_path) -> None:
    storage.variables["AZURE_STORAGE_CONNECTION_STRING"] = "rubbish"
    status, (line,) = ended(storage.batch("abfs://hub/t.csv", tmp_path / "p.csv", "--model", model))
    assert (status, line[:43]) == (2, "error: abfs://hub/t.csv cannot be reached: ")


def running(storage: Storage, output: str, model: Path) -> subprocess.Popen:
    """A run of which some parts are done."""
    process = storage.batch("abfs://hub/in/t.ndjson", f"abfs://hub/{output}", "--model", model)
    while f"hub/{output}.parts/00000000.ndjson" not in storage.do("list", "hub").split():
        assert process.poll() is None, process.communicate()
    return process


@pytest.mark.timeout(2 * PATIENCE)
def test_a_run_outlasts_a_storage_that_is_away_for_a_moment_and_goes_on_after_one_that_was_away_for_long(
    storage, model, tmp_path
) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", lives(300, 200))
    storage.do("put", given, "hub/in/t.ndjson")
    assert ended(storage.batch(given, tmp_path / "p.ndjson", "--model", model))[0] == 0
    expected = (tmp_path / "p.ndjson").read_text()

    process = running(storage, "moment.ndjson", model)
    storage.stop()
    storage.start()
    status, told = ended(process)
    assert status == 0, told
    assert storage.do("read", "hub/moment.ndjson") == expected

    process = running(storage, "long.ndjson", model)
    storage.stop()
    status, told = ended(process)
    assert (status, len(told)) == (2, 1), told
    assert "abfs://hub/" in told[0]
    assert " cannot be " in told[0]
    storage.start()
    status, told = ended(storage.batch("abfs://hub/in/t.ndjson", "abfs://hub/long.ndjson", "--model", model))
    assert status == 0, told
    assert "reading them again for the engines' histories" in told[0]
    assert storage.do("read", "hub/long.ndjson") == expected


@pytest.mark.timeout(PATIENCE)
def test_ctrl_c_while_the_storage_is_away_ends_the_run(storage, model, tmp_path) -> None:
    given = files.write_ndjson(tmp_path / "t.ndjson", lives(300, 200))
    storage.do("put", given, "hub/in/t.ndjson")
    process = running(storage, "p.ndjson", model)
    storage.stop()
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, ["stopped"])
