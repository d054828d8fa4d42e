import json
from pathlib import Path

import pytest

from scoring.__main__ import main
from scoring.comparison.differences import Pair
from scoring.model.curve import Curve
from scoring.model.model import Model
from scoring.predictions.classifier import Classifier
from scoring.predictions.prediction import Prediction
from scoring.telemetry.record import Sender
from tests.onnx_models import body, record, signature, tiny_model
from tests.scoring.batch import files
from tests.scoring.comparison.shifted import shifted_model


@pytest.fixture
def paths(tmp_path) -> dict:
    """A model, the same once more, and one that says 30 cycles less where the other says less than 60."""
    contents = {"a": tiny_model(), "same": tiny_model(signature(name="same")), "b": shifted_model(below=60.0, by=-30.0)}
    for name, content in contents.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
    ruls = [120.0, 100.0, 80.0, 58.0, 54.0, 40.0, 20.0]
    records = [record(cycle, rul, ConnectionDeviceId="a") for cycle, rul in enumerate(ruls, start=1)]
    files.write_ndjson(tmp_path / "t.ndjson", [*records, b"{"])
    return {name: str(tmp_path / f"{name}.onnx") for name in contents} | {"data": str(tmp_path / "t.ndjson")}


def compare(paths: dict, capsys, first: str, second: str, *options: str) -> str:
    assert main(["compare", paths[first], paths[second], paths["data"], *options]) == 0
    return capsys.readouterr().out


def test_differences_are_counted_by_class_and_the_worst_records_are_named(paths, capsys) -> None:
    found = json.loads(compare(paths, capsys, "a", "b", "--json"))
    assert (found["rows"], found["differing"]) == (7, 2)
    assert found["labels"] == [
        {"A": "Full", "B": "Full", "rows": 4},
        {"A": "Full", "B": "F25", "rows": 2},
        {"A": "F25", "B": "F25", "rows": 1},
    ]
    assert {each["class"]: (each["rows"], each["same"], each["mean"]) for each in found["by_class"]} == {
        "F25": (1, 1, -30.0),
        "Full": (6, 4, -15.0),
    }
    assert (found["difference"]["p0"], found["difference"]["p100"]) == (-30.0, 0.0)
    assert found["difference"]["mean_absolute"] == pytest.approx(4 * 30 / 7, abs=0.001)
    assert [(each["cycle"], each["difference"]) for each in found["worst"]] == [(c, -30.0) for c in (5, 6, 4, 7)]
    assert found["worst"][0]["place"].endswith("t.ndjson:5")
    assert found["worst"][0]["quantiles"] == [[44.0, None, 64.0], [14.0, None, 34.0]]
    assert found["models"]["A"]["name"] == "tiny"


def test_the_table_shows_the_same_to_people(paths, capsys) -> None:
    text = compare(paths, capsys, "a", "b")
    assert "7 records scored by both" in text
    assert "2 with another class (28.57%)" in text
    table = [line.split() for line in text.splitlines()]
    assert ["Full", "F25", "2"] in table
    assert ["a", "5", "54.0", "44..64", "24.0", "14..34", "-30.0", "Full", "F25", "t.ndjson:5"] in table
    assert [
        "Full",
        "6",
        "66.7%",
        "-15.00",
        "15.00",
        "-30.00",
        "-30.00",
        "-30.00",
        "-15.00",
        "+0.00",
        "+0.00",
        "+0.00",
    ] in table


def test_models_with_curves_are_compared_by_the_middle_that_no_cap_cuts(paths, capsys, tmp_path) -> None:
    curve = Curve((10.0, 30.0), (40.0, 60.0))
    (tmp_path / "b.onnx").write_bytes(tiny_model(signature(curve=curve)))
    first = json.loads(compare(paths, capsys, "a", "b", "--json"))["worst"]
    assert first == []
    other = signature(name="other", curve=curve)
    (tmp_path / "a.onnx").write_bytes(tiny_model(other))
    pair = Pair("here", *(answers(paths[name])[0] for name in ("a", "b")))
    assert (pair.rul, pair.record()["quantiles"]) == (0.0, [[110.0, 240.0, 130.0]] * 2)


def answers(path: str) -> list[Prediction]:
    classifier = Classifier(Model.load(Path(path)))
    return classifier.score(classifier.parser.parse(body(1, 120.0), Sender("g", True)))


def test_models_that_agree_have_no_worst_records(paths, capsys) -> None:
    found = json.loads(compare(paths, capsys, "a", "same", "--json"))
    assert (found["rows"], found["differing"], found["worst"]) == (7, 0, [])
    assert "Where" not in compare(paths, capsys, "a", "same")


def test_records_that_only_one_model_can_score_are_counted(paths, capsys, tmp_path) -> None:
    files.write_ndjson(
        tmp_path / "t.ndjson", [record(1, None, ConnectionDeviceId="a"), record(2, ConnectionDeviceId="a")]
    )
    (tmp_path / "b.onnx").write_bytes(shifted_model(below=60.0, by=-30.0, absent=50.0))
    assert json.loads(compare(paths, capsys, "a", "b", "--json"))["unscored"] == {"B": 1}
    assert "1 records scored by both; 1 by B alone" in compare(paths, capsys, "a", "b")


def test_models_without_rul_are_compared_by_their_classes(paths, capsys, tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.onnx").write_bytes(tiny_model(signature(interval=0.0, rul_cap=None)))
    text = compare(paths, capsys, "a", "b")
    assert ["all", "7", "100.0%"] in [line.split() for line in text.splitlines()]
    assert "RUL" not in text


def test_where_neither_could_score_anything_the_commonest_reason_is_told(paths, capsys, tmp_path) -> None:
    files.write_ndjson(tmp_path / "t.ndjson", [b"{", record(1), b"["])
    assert main(["compare", paths["a"], paths["b"], paths["data"]]) == 3
    assert "3 could be scored by neither, 2 of them not_json" in capsys.readouterr().err
    (tmp_path / "t.ndjson").write_bytes(b"")
    assert main(["compare", paths["a"], paths["b"], paths["data"]]) == 0
    assert f"1 of 1 files hold no message, such as {tmp_path / 't.ndjson'}" in capsys.readouterr().err


def test_what_cannot_be_compared_is_told_in_one_line(paths, capsys) -> None:
    assert main(["compare", paths["a"], "absent.onnx", paths["data"]]) == 2
    assert capsys.readouterr().err.strip() == "error: model absent.onnx cannot be read: No such file or directory"
