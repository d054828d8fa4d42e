"""Fields that are made of what a message holds: the same of training, the device, the service and files."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry, Reason, SignatureError
from scoring.model.derived import Category, Period, category_text
from scoring.model.signature import DERIVED_FORMAT, Field, Signature
from scoring.telemetry.record import Sender
from scoring.wire.csv_table import CsvTable
from scoring.wire.fast import FastParser
from scoring.wire.items import ItemParser
from scoring.wire.records import RecordParser

ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = Period("Time", 3600.0, ORIGIN.timestamp())
MODES = Category("Mode", ("idle", "loaded"))
SIGNATURE = Signature(
    name="compressor",
    fields=(Field("Period", "h"), Field("Mode"), Field("Flow")),
    window=5,
    cycle="Period",
    classes=("a", "b"),
    machine="Compressor",
    derived={"Period": HOURS, "Mode": MODES},
    format=DERIVED_FORMAT,
)


@given(st.integers(0, 999_998), st.floats(0, 3599), st.integers(-12, 12))
def test_a_period_of_time_is_a_cycle_in_whatever_form_the_time_comes(hour, second, zone) -> None:
    seconds = hour * 3600 + second
    when = ORIGIN + timedelta(seconds=int(seconds))
    there = when.astimezone(timezone(timedelta(hours=zone)))
    told = [there.isoformat(), when.replace(tzinfo=None).isoformat(), when.timestamp(), str(when.timestamp())]
    assert {HOURS.of(each) for each in told} == {hour + 1.0}
    assert replace(HOURS, ticks=1000.0).of(when.timestamp() * 1000) == hour + 1.0


@pytest.mark.parametrize(
    "told", ["", "soon", "2026-13-01", True, None, [], math.inf, 10**400, "1e999", "1_0", "9" * 99]
)
def test_what_is_no_time_is_said_to_be_none(told) -> None:
    with pytest.raises(ValueError, match="expected a time"):
        HOURS.of(told)


@pytest.mark.parametrize(("told", "text"), [(2.0, "2"), (2, "2"), (2.5, "2.5"), (True, "true"), (" on ", "on")])
def test_numbers_and_truths_are_categories_too(told, text) -> None:
    assert category_text(told) == text
    assert Category("x", (text,)).of(told) == 0.0


def test_a_signature_keeps_the_rules_and_says_that_an_earlier_version_cannot_serve_it() -> None:
    again = Signature.from_json(SIGNATURE.to_json())
    assert again == SIGNATURE
    assert again.columns == ("Time", "Mode", "Flow")
    assert json.loads(SIGNATURE.to_json())["format"] == 3
    # As files of before have it.
    assert "derived" not in json.loads(replace(SIGNATURE, derived={}).to_json())
    assert SIGNATURE.form != replace(SIGNATURE, derived={}).form


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"from": "Time"},
        {"from": "Time", "every": 0, "origin": 0},
        {"from": "Time", "every": "x", "origin": 0},
        {"from": "Time", "every": 1e-300, "origin": 0},
        {"from": "Time", "every": 1, "origin": 0, "ticks": 1e-300},
        {"from": "Time", "every": 1, "origin": 1e300},
        {"from": 1, "categories": ["a"]},
        {"from": "Mode", "categories": []},
        {"from": "Mode", "categories": ["a", "a"]},
        {"from": "Mode", "categories": [1]},
        [],
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule) -> None:
    raw = json.loads(SIGNATURE.to_json())
    raw["derived"]["Period"] = rule
    with pytest.raises(SignatureError):
        Signature.from_json(json.dumps(raw))


def test_rules_are_for_fields_and_times_for_the_cycle() -> None:
    for derived in ({"Gone": MODES}, {"Flow": HOURS}):
        with pytest.raises(SignatureError):
            Signature.from_json(replace(SIGNATURE, derived=derived).to_json())


def record(**changes) -> dict:
    return {"ConnectionDeviceId": "C-1", "Time": "2026-01-01T02:30:00Z", "Mode": "loaded", "Flow": 7.5, **changes}


def test_a_record_is_read_alike_on_the_device_by_the_service_and_from_a_table() -> None:
    parser = ItemParser(SIGNATURE)
    body = json.dumps(record()).encode()
    sender = Sender("", is_module=True)
    (device,) = RecordParser(SIGNATURE.field_names, "Period", SIGNATURE.derived).parse(body, sender)
    ((service,), _) = FastParser(parser).parse(body, 10)
    table = CsvTable(b"Flow;Time;Compressor;Mode;Note", parser)
    (row,) = table.parse_lines([b"7.5;2026-01-01T02:30:00Z;C-1;loaded;x"])
    for found in (device, service, row):
        assert (found.engine, found.cycle) == ("C-1", 3)
        assert found.values.tolist() == [3.0, 1.0, 7.5]


def test_windows_and_trajectories_have_rows_as_messages_hold_them() -> None:
    rows = [{name: value for name, value in record().items() if name != "ConnectionDeviceId"}, ["2026-01-01", None, 1]]
    ((window,), _) = FastParser(ItemParser(SIGNATURE)).parse(json.dumps({"rows": rows}).encode(), 10)
    room = np.zeros((5, 3), dtype=np.float32)
    window.fill(room)
    np.testing.assert_equal(room[[2, 4]], np.array([[1, np.nan, 1], [3, 1, 7.5]], dtype=np.float32))
    ((all_of_them,), _) = FastParser(ItemParser(SIGNATURE)).parse(json.dumps({"rows": rows, "each": True}).encode(), 10)
    assert all_of_them.cycles == [1, 3]


@pytest.mark.parametrize(
    ("changes", "reason", "told"),
    [
        ({"Time": "soon"}, Reason.NOT_A_TIME, "the field Time is 'soon'; expected a time"),
        ({"Time": None}, Reason.NOT_A_TIME, "the field Time is"),
        ({"Time": "2025-01-01"}, Reason.CYCLE_OUT_OF_RANGE, "Period is -"),
        ({"Mode": "off"}, Reason.UNKNOWN_CATEGORY, "the field Mode is 'off'; expected one of idle, loaded"),
        ({"Mode": []}, Reason.UNKNOWN_CATEGORY, "the field Mode is"),
        ({"Flow": "7"}, Reason.WRONG_TYPE, "the field Flow is"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_name_and_value(changes, reason, told) -> None:
    with pytest.raises(InvalidTelemetry) as refused:
        ItemParser(SIGNATURE).check(record(**changes))
    assert refused.value.reason == reason
    assert refused.value.detail.startswith(told)


def test_what_a_field_is_made_of_has_to_be_there() -> None:
    for name in ("Time", "Mode"):
        given = {key: value for key, value in record().items() if key != name}
        with pytest.raises(InvalidTelemetry, match=f"the field {name} is missing"):
            ItemParser(SIGNATURE).check(given)
