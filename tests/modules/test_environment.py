import pytest

from modules.edge import environment
from modules.edge.environment import SettingError
from modules.edge.journal import Durability


def test_a_missing_variable_is_named_with_its_remedy(monkeypatch) -> None:
    monkeypatch.delenv("MODEL_PATH", raising=False)
    with pytest.raises(SettingError, match="MODEL_PATH is not set; give it in the module's env"):
        environment.text("MODEL_PATH")


@pytest.mark.parametrize("value", ["many", "0", "1e9", "nan", ""])
def test_a_number_out_of_range_is_named_with_its_value(monkeypatch, value) -> None:
    monkeypatch.setenv("RATE", value)
    with pytest.raises(SettingError, match=f"RATE is '{value}', expected a number from 1.0 to 100.0"):
        environment.number("RATE", 5.0, 1.0, 100.0)


def test_a_choice_names_what_may_be_chosen(monkeypatch) -> None:
    monkeypatch.setenv("JOURNAL_DURABILITY", "always")
    with pytest.raises(SettingError, match="'always', expected one of 'process', 'power'"):
        environment.choice("JOURNAL_DURABILITY", Durability.PROCESS)
    monkeypatch.setenv("JOURNAL_DURABILITY", "power")
    assert environment.choice("JOURNAL_DURABILITY", Durability.PROCESS) is Durability.POWER


def test_a_folder_that_is_none_is_named(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "absent"))
    with pytest.raises(SettingError, match=r"STATE_DIR is .*absent, which is no folder"):
        environment.folder("STATE_DIR")
