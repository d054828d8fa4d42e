import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import InvalidTelemetry, Reason
from scoring.telemetry.record import Sender, Telemetry
from scoring.telemetry.turbofan import FIELDS
from scoring.wire import json_body
from scoring.wire.json_body import MAX_BODY_BYTES
from scoring.wire.records import RecordParser
from tests.onnx_models import record

NAMES = [field.name for field in FIELDS]
LEAF = Sender("Client_001")
MODULE = Sender("gateway", is_module=True)

parser = RecordParser(NAMES)


def parse_one(payload: object, sender: Sender = LEAF) -> Telemetry | InvalidTelemetry:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    try:
        (only,) = parser.parse(body, sender)
    except InvalidTelemetry as invalid:
        return invalid
    return only


def test_the_tutorials_record_is_read_with_its_values_in_the_fields_order() -> None:
    values = [7, *range(1, 25)]
    found = parse_one(dict(zip(NAMES, values, strict=True)))
    assert (found.engine, found.cycle, found.values.tolist()) == ("Client_001", 7, values)


def test_a_list_of_records_is_read_in_its_order() -> None:
    found = parser.parse(json.dumps([record(1), record(2), record(3)]).encode(), LEAF)
    assert [each.cycle for each in found] == [1, 2, 3]


def test_a_bad_record_does_not_spoil_its_neighbours_in_a_list() -> None:
    found = parser.parse(json.dumps([record(1), record(0), "x", record(3)]).encode(), LEAF)
    assert [getattr(each, "reason", each) for each in found[1:3]] == [Reason.CYCLE_OUT_OF_RANGE, Reason.NOT_A_RECORD]
    assert [each.cycle for each in (found[0], found[3])] == [1, 3]


def test_null_is_a_value_that_is_absent() -> None:
    assert np.isnan(parse_one(record(1, Sensor7=None)).values[NAMES.index("Sensor7")])


def test_unknown_fields_are_left_alone() -> None:
    assert parse_one(record(4, Comment="from a newer converter")).cycle == 4


def without(name: str) -> dict:
    return {key: value for key, value in record(1).items() if key != name}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b" " * (MAX_BODY_BYTES + 1), Reason.TOO_LARGE),
        (b'{"CycleTime": "\xff"}', Reason.NOT_UTF8),
        (b"", Reason.NOT_JSON),
        (b'{"CycleTime": 1', Reason.NOT_JSON),
        (b"[" * 200_000, Reason.TOO_DEEP),
        (b"[]", Reason.EMPTY),
        (b"17", Reason.NOT_A_RECORD),
        (b"null", Reason.NOT_A_RECORD),
        (json.dumps([1] * 1001).encode(), Reason.TOO_MANY_RECORDS),
        (b'{"CycleTime": 1, "CycleTime": 2}', Reason.DUPLICATE_FIELD),
        (without("Sensor9"), Reason.MISSING_FIELD),
        (record(1, Sensor9="1.0"), Reason.WRONG_TYPE),
        (record(1, Sensor9=True), Reason.WRONG_TYPE),
        (record(1, Sensor9=[1.0]), Reason.WRONG_TYPE),
        (record(1, Sensor9=float("nan")), Reason.NOT_A_NUMBER),
        (record(1, Sensor9=float("inf")), Reason.INFINITE),
        (record(1, Sensor9=-1e39), Reason.INFINITE),
        (record(10**400), Reason.INFINITE),
        (record(0), Reason.CYCLE_OUT_OF_RANGE),
        (record(1.5), Reason.CYCLE_OUT_OF_RANGE),
        (record(1_000_001), Reason.CYCLE_OUT_OF_RANGE),
        (record(1, CycleTime=None), Reason.CYCLE_OUT_OF_RANGE),
        (record(1, ConnectionDeviceId="no spaces"), Reason.ENGINE_ID),
        (record(1, ConnectionDeviceId="x" * 129), Reason.ENGINE_ID),
        (record(1, ConnectionDeviceId=1.5), Reason.ENGINE_ID),
        (record(1, ConnectionDeviceId=True), Reason.ENGINE_ID),
        (record(1, ConnectionDeviceId=10**17), Reason.ENGINE_ID),
        (record(1, ConnectionDeviceId=17), Reason.FOREIGN_ENGINE),
        (record(1, ConnectionDeviceId="Client_002"), Reason.FOREIGN_ENGINE),
    ],
)
def test_each_fault_has_its_own_reason(payload: object, reason: Reason) -> None:
    assert parse_one(payload).reason == reason


def test_a_detail_names_the_field_and_the_value() -> None:
    assert parse_one(record(1, Sensor9="1.0")).detail == "the field Sensor9 is a string, expected a number"
    assert "Sensor12" in parse_one(without("Sensor12")).detail


def test_a_module_may_speak_for_any_engine_and_a_leaf_device_only_for_itself() -> None:
    assert parse_one(record(1, ConnectionDeviceId="Client_002"), MODULE).engine == "Client_002"
    assert parse_one(record(1, ConnectionDeviceId="Client_001"), LEAF).engine == "Client_001"


def test_a_model_without_cycles_reads_plain_rows() -> None:
    plain = RecordParser(["a", "b"], cycle="")
    (found,) = plain.parse(b'{"a": 1, "b": 2.5}', LEAF)
    assert (found.cycle, found.values.tolist()) == (0, [1.0, 2.5])


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_reason(body: bytes) -> None:
    try:
        answers = parser.parse(body, LEAF)
    except InvalidTelemetry as invalid:
        answers = [invalid]
    assert all(isinstance(each, InvalidTelemetry) and each.reason in set(Reason) for each in answers)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*NAMES, "ConnectionDeviceId"]), json_values))
def test_any_json_in_any_field_is_either_refused_or_finite_and_in_range(changes: dict) -> None:
    found = parse_one({**record(3), **changes})
    if isinstance(found, Telemetry):
        assert found.cycle >= 1
        assert not np.isinf(found.values).any()
    else:
        assert found.reason in set(Reason)


class Counted(str):
    """A name that counts how often it is compared."""

    compared = 0
    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)


@pytest.mark.parametrize("twice", [0, 1, -1])
def test_a_name_that_stands_twice_is_found_in_steps_that_grow_with_the_names_alone(twice: int) -> None:
    steps = []
    for size in (1_000, 2_000, 4_000):
        names = [Counted(f"name{number}") for number in range(size)]
        Counted.compared = 0
        with pytest.raises(InvalidTelemetry, match="stands twice"):
            json_body._object([(name, 1) for name in (*names, Counted(names[twice]))])
        steps.append(Counted.compared)
    assert steps[2] <= 5 * max(steps[0], 1_000)


def test_an_object_with_too_many_fields_is_refused() -> None:
    assert parse_one({f"f{number}": 1 for number in range(2_001)}).reason == Reason.TOO_COMPLEX


def test_more_objects_and_lists_than_a_full_message_has_are_refused_before_they_are_made() -> None:
    assert parse_one(b"[" + b"{}," * 10_001 + b"{}]").reason == Reason.TOO_DEEP


def test_a_module_has_to_name_the_engine() -> None:
    found = parse_one(record(1), Sender("", is_module=True))
    assert (found.reason, found.field) == (Reason.UNNAMED_ENGINE, "ConnectionDeviceId")
    assert parse_one(record(1), Sender("Client_009")).engine == "Client_009"


def test_errors_of_other_machines_name_their_own_fields() -> None:
    pump = RecordParser(["Hour", "Pressure"], cycle="Hour")
    (late,) = pump.parse(b'{"Hour": 0, "Pressure": 1}', LEAF)
    assert (late.field, late.detail[:9]) == ("Hour", "Hour is 0")


def test_a_byte_order_mark_before_a_message_is_passed_over_and_another_encoding_named() -> None:
    body = json.dumps(record(1)).encode()
    assert parse_one(b"\xef\xbb\xbf" + body).cycle == 1
    refused = parse_one(body.decode().encode("utf-16"))
    assert (refused.reason, refused.detail) == (Reason.NOT_UTF8, "the body is UTF-16 or UTF-32; send UTF-8")
