import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.avrowriter import settings as avrowriter
from modules.edge.settings import METRICS_LISTEN, Address, SettingError
from modules.edge.settings_table import declared, table
from modules.rulclassifier import settings as rulclassifier
from modules.rulclassifier.archiving import Archiving
from modules.telemetrysource import settings as telemetrysource
from scoring.telemetry.engine_id import is_engine_id
from tests.places import ROOT

DOCS = ROOT / "docs" / "modules.md"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch) -> None:
    for module in (rulclassifier, avrowriter, telemetrysource):
        for setting in declared(module):
            monkeypatch.delenv(setting.name, raising=False)


def test_a_missing_variable_is_named_with_its_remedy() -> None:
    with pytest.raises(SettingError, match=r"^MODEL_PATH is not set; give it in the module's env"):
        rulclassifier.MODEL_PATH.read()


@pytest.mark.parametrize("value", ["many", "-1", "1e9", "nan", ""])
def test_a_number_out_of_range_is_named_with_its_value(monkeypatch, value) -> None:
    monkeypatch.setenv("RATE", value)
    with pytest.raises(SettingError, match=f"^RATE is '{value}', expected a number from 0.0 to 10000.0$"):
        telemetrysource.RATE.read()


def test_a_number_is_of_its_defaults_kind(monkeypatch) -> None:
    monkeypatch.setenv("ENGINES", "7.5")
    with pytest.raises(SettingError, match=r"^ENGINES is '7\.5', expected a number from 1 to 100000$"):
        rulclassifier.ENGINES.read()
    monkeypatch.setenv("ENGINES", "7")
    assert rulclassifier.ENGINES.read() == 7


def test_a_choice_names_what_may_be_chosen(monkeypatch) -> None:
    monkeypatch.setenv("JOURNAL_DURABILITY", "always")
    with pytest.raises(SettingError, match=r"^JOURNAL_DURABILITY is 'always', expected one of 'process', 'power'$"):
        rulclassifier.JOURNAL_DURABILITY.read()
    monkeypatch.setenv("JOURNAL_DURABILITY", "power")
    assert rulclassifier.JOURNAL_DURABILITY.read() == "power"


def test_a_folder_that_is_none_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "absent"))
    with pytest.raises(SettingError, match=r"^STATE_DIR is .*absent', which is no folder"):
        rulclassifier.STATE_DIR.read()
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    assert rulclassifier.STATE_DIR.read() == tmp_path


@pytest.mark.parametrize("value", ["9600", ":9600", "here:", "here:http", "here:65536", "here:-1", "::1:9600", " :1"])
def test_a_place_to_listen_that_is_none_is_refused_by_what_would_be_one(monkeypatch, value) -> None:
    monkeypatch.setenv("METRICS_LISTEN", value)
    with pytest.raises(SettingError, match=f"^METRICS_LISTEN is '{value}', expected host:port such as 127.0.0.1:9600$"):
        METRICS_LISTEN.read()


def test_a_place_to_listen_is_an_address_a_name_or_none(monkeypatch) -> None:
    assert METRICS_LISTEN.read() is None
    for value, expected in {
        "": None,
        "0.0.0.0:0": ("0.0.0.0", 0),
        "here:1": ("here", 1),
        "[::1]:2": ("::1", 2),
    }.items():
        monkeypatch.setenv("METRICS_LISTEN", value)
        assert METRICS_LISTEN.read() == expected
        assert expected is None or str(Address(*expected)) == value


@pytest.mark.parametrize("value", ["a b", "a/b", "\u00e4", "a\n", "x" * 101])
def test_a_prefix_of_which_no_engines_id_can_be_made_is_refused(monkeypatch, value) -> None:
    monkeypatch.setenv("ENGINE_PREFIX", value)
    with pytest.raises(SettingError, match=r"^ENGINE_PREFIX is .*expected at most 100 letters, digits and"):
        telemetrysource.ENGINE_PREFIX.read()


@given(st.from_regex(telemetrysource.ENGINE_PREFIX.pattern, fullmatch=True))
def test_any_prefix_that_is_taken_makes_an_engines_id(prefix) -> None:
    assert is_engine_id(f"{telemetrysource.ENGINE_PREFIX.parse(prefix)}100000.999999")


@pytest.mark.parametrize("value", ["7", True, None, [7], {"rate": 7}, -1, 1e9, float("nan"), 10**400, "x" * 10_000])
def test_a_desired_property_is_refused_by_its_own_name_in_a_short_line(value) -> None:
    with pytest.raises(ValueError, match=r"^rate is .*, expected a number from 0\.0 to 10000\.0$") as refusal:
        telemetrysource.RATE.take(value)
    assert len(str(refusal.value)) < 250


def test_a_desired_property_that_is_a_whole_number_may_be_written_with_a_point() -> None:
    assert rulclassifier.ENGINES.convert(5.0) == 5
    with pytest.raises(ValueError, match="expected a number from 1 to 100000"):
        rulclassifier.ENGINES.convert(5.5)


@pytest.mark.parametrize("module", [rulclassifier, avrowriter, telemetrysource])
def test_the_table_of_the_docs_is_that_of_the_declarations(module) -> None:
    assert table(module) in DOCS.read_text()


@pytest.mark.parametrize("module", [rulclassifier, avrowriter, telemetrysource])
def test_every_variable_is_declared_once_and_under_its_own_name(module) -> None:
    names = [each.name for each in declared(module)]
    assert len(names) == len(set(names))
    assert all(getattr(module, name).name == name for name in names)
    assert all(re.fullmatch("[A-Z_]+", name) for name in names)


@pytest.mark.parametrize(
    ("given", "archiving"),
    [
        ("off", Archiving()),
        ("all", Archiving(1.0)),
        ("alerts", Archiving(0.0, alerts=True)),
        ("0.25", Archiving(0.25)),
    ],
)
def test_what_is_archived_is_all_or_alerts_or_a_share(monkeypatch, given, archiving) -> None:
    assert rulclassifier.ARCHIVE.read() == Archiving()
    monkeypatch.setenv("ARCHIVE", given)
    assert rulclassifier.ARCHIVE.read() == archiving


@pytest.mark.parametrize("given", ["", "some", "-0.1", "1.1", "nan"])
def test_no_other_share_is_taken(monkeypatch, given) -> None:
    monkeypatch.setenv("ARCHIVE", given)
    with pytest.raises(SettingError, match=r"ARCHIVE is '.*', expected 'off', 'all', 'alerts', or a share from 0 to 1"):
        rulclassifier.ARCHIVE.read()
