import pytest

from modules.edge.twin import Setting, Twin
from modules.telemetrysource.pace import Pace


@pytest.fixture
def pace() -> Pace:
    return Pace(100.0)


@pytest.fixture
def twin(pace) -> Twin:
    return Twin({"rate": Setting(100.0, pace.use_rate)})


def test_a_value_is_put_to_use_and_acknowledged_with_its_version(twin, pace) -> None:
    assert twin.apply({"rate": 7, "$version": 3}, full=True) == {
        "rate": {"value": 7, "ac": 200, "av": 3, "ad": "in use"}
    }
    assert pace.rate == 7


@pytest.mark.parametrize("value", ["7", -1, True, 1e9, [7]])
def test_a_value_that_cannot_be_used_is_refused_and_the_old_one_stays(twin, pace, value) -> None:
    answer = twin.apply({"rate": value, "$version": 4}, full=False)["rate"]
    assert (answer["ac"], answer["av"], pace.rate) == (400, 4, 100.0)
    assert repr(value) in answer["ad"]


def test_a_removed_value_goes_back_to_its_default(twin, pace) -> None:
    twin.apply({"rate": 7, "$version": 1}, full=True)
    twin.apply({"rate": None, "$version": 2}, full=False)
    assert pace.rate == 100.0
    twin.apply({"rate": 7, "$version": 3}, full=False)
    twin.apply({"$version": 4}, full=True)
    assert pace.rate == 100.0


def test_a_patch_leaves_alone_what_it_does_not_name(twin, pace) -> None:
    twin.apply({"rate": 7, "$version": 1}, full=True)
    assert twin.apply({"$version": 2}, full=False) == {}
    assert pace.rate == 7


def test_an_unknown_property_is_ignored_and_said_to_be(twin) -> None:
    answer = twin.apply({"colour": "red", "$version": 5}, full=False)
    assert answer == {"colour": {"value": "red", "ac": 404, "av": 5, "ad": "colour is not a property of this module"}}
    assert twin.apply({"colour": None, "$version": 6}, full=False) == {"colour": None}
