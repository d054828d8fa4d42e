"""The table that trained a model is what it scores: its columns, its machines, without renaming any."""

import gzip
import io
import json

import aiohttp
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from scoring.__main__ import main
from scoring.model.model import Model
from scoring.service.app import Service
from scoring.service.process import served
from tests.onnx_models import record, signature, tiny_model

MACHINE = "Pump"


@pytest.fixture
def model_path(tmp_path):
    path = tmp_path / "pumps.onnx"
    path.write_bytes(tiny_model(signature(machine=MACHINE)))
    return path


@pytest.fixture
def table() -> str:
    """Two pumps, with a column that no model knows and what was left after each row."""
    names = list(record(1))
    rows = [
        [pump, "north hall", *record(hour, 20.0 + hour).values(), 99 - hour]
        for pump in ("P-001", "2")
        for hour in range(1, 9)
    ]
    lines = [[MACHINE, "Site", *names, "RUL"], *rows]
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def predictions(path) -> list[tuple[str, int, float]]:
    lines = map(json.loads, path.read_text().splitlines())
    return [(each["ConnectionDeviceId"], each["CycleTime"], each["PredictedRul"]) for each in lines]


EXPECTED = [(pump, hour, 20.0 + hour) for pump in ("P-001", "2") for hour in range(1, 9)]


@pytest.mark.parametrize("form", ["csv", "csv.gz", "parquet"])
def test_batch_takes_the_machines_from_the_tasks_own_column(tmp_path, model_path, table, form) -> None:
    given = tmp_path / f"test_pumps.{form}"
    if form == "parquet":
        pq.write_table(pyarrow.csv.read_csv(io.BytesIO(table.encode())), given)
    else:
        given.write_bytes(gzip.compress(table.encode()) if form == "csv.gz" else table.encode())
    assert main(["batch", str(given), str(tmp_path / "p.ndjson"), "--model", str(model_path)]) == 0
    assert predictions(tmp_path / "p.ndjson") == EXPECTED


async def test_the_service_answers_a_table_row_by_row(model_path, table) -> None:
    async with served(Service(Model.load(model_path)), "127.0.0.1", 0) as url, aiohttp.ClientSession(url) as session:

        async def ask(body: str) -> list[dict]:
            async with session.post("/score", data=body.encode(), headers={"Content-Type": "text/csv"}) as answer:
                assert answer.status == 200
                return [json.loads(line) async for line in answer.content]

        answers = await ask(table)
        assert [(each["ConnectionDeviceId"], each["CycleTime"], each["PredictedRul"]) for each in answers] == EXPECTED
        head, first, *_ = table.splitlines()
        spoilt = await ask(f"\ufeff{head}\r\n\r\n{first},1\r\n{first.replace('P-001', 'no id!')}\r\n{first}\r\n")
        assert [each.get("error", {}).get("reason") for each in spoilt] == ["not_a_record", "engine_id", None]
        assert [each["error"]["line"] for each in spoilt[:2]] == [3, 4]
        assert await ask(head.replace("Sensor3", "Sensor33")) == [
            {
                "error": {
                    "reason": "columns",
                    "detail": f"there is no column Sensor3; the model needs {', '.join(record(1))}",
                }
            }
        ]
        assert await ask("") == []
        assert await ask(head) == []


@pytest.mark.parametrize("column", [MACHINE, "ConnectionDeviceId"])
def test_a_name_for_all_is_refused_where_the_file_names_its_machines(
    tmp_path, model_path, table, column, capsys
) -> None:
    given = tmp_path / "t.csv"
    given.write_text(table.replace(MACHINE, column))
    command = ["batch", str(given), str(tmp_path / "p.ndjson"), "--model", str(model_path)]
    assert main([*command, "--engine", "X"]) == 2
    told = f"error: {given}: it names its engines by the column {column}; leave --engine X out"
    assert capsys.readouterr().err.strip() == told
    assert main(["compare", str(model_path), str(model_path), str(given), "--engine", "X"]) == 2


def test_a_column_of_machines_that_stands_twice_is_refused(tmp_path, model_path, table, capsys) -> None:
    given = tmp_path / "t.csv"
    given.write_text(table.replace("Site", MACHINE))
    assert main(["batch", str(given), str(tmp_path / "p.csv"), "--model", str(model_path)]) == 2
    assert "the column Pump stands there twice" in capsys.readouterr().err


def test_two_models_are_compared_on_the_table(tmp_path, model_path, table, capsys) -> None:
    given = tmp_path / "t.csv"
    given.write_text(table)
    assert main(["compare", str(model_path), str(model_path), str(given)]) == 0
    assert "100.0%" in capsys.readouterr().out
