import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.edge.hub.twin import FOREIGN_BYTES, Desired, InvalidTwinError, ModuleTwin
from modules.telemetrysource.pace import Pace
from modules.telemetrysource.settings import RATE
from simulator.cloud.twin import merged


@pytest.fixture
def pace() -> Pace:
    return Pace(100.0)


@pytest.fixture
def twin(pace) -> ModuleTwin:
    return ModuleTwin(Desired(RATE, 100.0, pace.use_rate))


def document(desired, reported=None, version=1) -> dict:
    return {"desired": {**desired, "$version": version}, "reported": {**(reported or {}), "$version": 1}}


def test_a_value_is_put_to_use_and_acknowledged_with_its_version(twin, pace) -> None:
    twin.read(document({"rate": 7}, version=3))
    assert twin.due() == {"rate": {"value": 7, "ac": 200, "av": 3, "ad": "in use"}}
    assert pace.rate == 7


@pytest.mark.parametrize("value", ["7", -1, True, 1e9, [7]])
def test_a_value_that_cannot_be_used_is_refused_and_the_old_one_stays(twin, pace, value) -> None:
    twin.patch({"rate": value, "$version": 4})
    answer = twin.due()["rate"]
    assert (answer["ac"], answer["av"], pace.rate) == (400, 4, 100.0)
    assert repr(value) in answer["ad"]


def test_a_removed_value_goes_back_to_its_default_and_out_of_what_is_reported(twin, pace) -> None:
    twin.read(document({"rate": 7}))
    twin.settle(twin.due())
    twin.patch({"rate": None, "$version": 2})
    assert pace.rate == 100.0
    assert twin.due() == {"rate": None}
    twin.settle(twin.due())
    twin.patch({"rate": 7, "$version": 3})
    twin.read(document({}, version=4))
    assert pace.rate == 100.0


def test_a_patch_leaves_alone_what_it_does_not_name(twin, pace) -> None:
    twin.read(document({"rate": 7}))
    twin.settle(twin.due())
    twin.patch({"$version": 2})
    assert twin.due() == {}
    assert pace.rate == 7


def test_an_unknown_property_is_left_alone_and_said_to_be_without_its_value(twin, caplog) -> None:
    twin.patch({"colour": "red", "$version": 5})
    assert twin.due() == {"colour": {"ac": 404, "av": 5, "ad": "not a property of this module"}}
    assert "colour" in caplog.text
    twin.settle(twin.due())
    twin.patch({"colour": None, "$version": 6})
    assert twin.due() == {"colour": None}


def test_what_an_earlier_process_acknowledged_goes_when_it_is_gone_and_the_modules_own_stays(twin) -> None:
    reported = {
        "colour": {"value": "red", "ac": 404, "av": 5, "ad": "colour is not a property of this module"},
        "rate": {"value": 7, "ac": 200, "av": 5, "ad": "in use"},
        "replay": {"name": "abc", "ended": True},
    }
    twin.read(document({}, reported, version=6))
    assert twin.due() == {"colour": None, "rate": None}


def test_what_the_hub_has_already_is_not_reported_again(twin) -> None:
    reported = {"rate": {"value": 7, "ac": 200, "av": 5, "ad": "in use"}, "replay": {"ended": True}}
    twin.say({"replay": {"ended": True}})
    twin.read(document({"rate": 7}, reported, version=5))
    assert twin.due() == {}


def test_what_changes_while_a_report_is_under_way_is_due_after_it_and_nothing_older(twin) -> None:
    twin.patch({"rate": 1, "$version": 1})
    under_way = twin.due()
    for version in range(2, 50):
        twin.patch({"rate": version, "$version": version})
    twin.settle(under_way)
    assert twin.due()["rate"]["value"] == 49
    twin.settle(twin.due())
    assert twin.due() == {}


def test_nothing_of_an_earlier_connection_is_reported_before_the_twin_is_read_anew(twin) -> None:
    twin.read(document({"colour": "red", "rate": 7}))
    twin.begin()
    assert twin.due() == {}
    twin.say({"replay": {"ended": True}})
    assert twin.due() == {"replay": {"ended": True}}
    twin.read(document({}, {"colour": {"ac": 404, "av": 1, "ad": ""}}, version=2))
    assert twin.due() == {"colour": None, "replay": {"ended": True}}


def test_a_twin_that_is_older_than_a_patch_is_read_again(twin, pace) -> None:
    twin.patch({"rate": 9, "$version": 8})
    assert not twin.read(document({"rate": 7}, version=7))
    assert pace.rate == 9
    assert twin.read(document({"rate": 9}, version=8))


@pytest.mark.parametrize(
    "nonsense", [None, [], "twin", 7, {}, {"desired": []}, {"desired": {}}, {"desired": {"$version": "1"}}]
)
def test_nonsense_in_place_of_a_twin_is_refused_by_name_and_changes_nothing(twin, pace, nonsense) -> None:
    twin.read(document({"rate": 7}))
    with pytest.raises(InvalidTwinError):
        twin.read(nonsense)
    with pytest.raises(InvalidTwinError):
        twin.patch(nonsense.get("desired") if isinstance(nonsense, dict) else nonsense)
    assert pace.rate == 7


NESTED: object = 1
for _ in range(9):
    NESTED = {"l": NESTED}


@pytest.mark.parametrize(
    "desired",
    [
        {"v": NESTED},
        {f"k{n}": "x" * 4050 for n in range(8)},
        {f"k{n}": n for n in range(400)},
        {f"k{n}": n for n in range(2500)},
        {"n" * 1000 + str(n): n for n in range(30)},
        {"rate": {"rate": NESTED["l"]}},
        {"rate": "9" * 4096},
        {"rate": ["x" * 4000] * 7},
        {"rate": 10**300},
    ],
    ids=["nested", "long", "400", "2500", "names", "own nested", "own long", "own list", "own huge"],
)
def test_what_is_reported_is_within_a_twins_limits_whatever_is_desired(twin, desired) -> None:
    said = {"replay": {"ended": True}}
    twin.say(said)
    twin.read(document(merged({}, desired)))
    reported = merged({}, twin.due())
    assert reported["replay"] == said["replay"]
    assert len(json.dumps(reported)) < FOREIGN_BYTES + 4096


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.whole
@given(st.lists(st.dictionaries(st.sampled_from(["rate", "a", "b", "c"]), json_values), max_size=8), st.booleans())
def test_after_any_patches_what_is_reported_is_what_a_whole_twin_would_have_reported(patches, forgets) -> None:
    pace = Pace(100.0)
    twin = ModuleTwin(Desired(RATE, 100.0, pace.use_rate))
    reported: dict = {}
    desired: dict = {}
    for version, patch in enumerate(patches, 1):
        for name, value in patch.items():
            if value is None:
                desired.pop(name, None)
            else:
                desired[name] = value
        twin.patch({**patch, "$version": version})
        for name, value in twin.due().items():
            if value is None:
                reported.pop(name, None)
            else:
                reported[name] = value
        if not forgets or version % 2:
            twin.settle(twin.due())
    assert reported.keys() == desired.keys()
    twin.read(document(desired, reported, version=len(patches) + 1))
    assert {name for name, value in twin.due().items() if value is None} == set()
    assert {name: value["ac"] for name, value in twin.due().items()} == {n: reported[n]["ac"] for n in desired}
