import json

import pytest

from training.errors import DataError
from training.release.registry import register, versions


def test_each_new_model_is_the_next_version_with_what_it_reached(tmp_path) -> None:
    register(tmp_path, "iris", b"first", {"accuracy": 0.9})
    second = register(tmp_path, "iris", b"second", {"accuracy": 0.95})
    assert second == tmp_path / "iris" / "2"
    assert (second / "model.onnx").read_bytes() == b"second"
    assert json.loads((second / "metrics.json").read_text()) == {"accuracy": 0.95}
    assert versions(tmp_path, "iris") == [1, 2]


def test_a_model_that_is_there_already_is_not_registered_again(tmp_path) -> None:
    first = register(tmp_path, "iris", b"first", {})
    register(tmp_path, "iris", b"second", {})
    assert register(tmp_path, "iris", b"first", {}) == first
    assert versions(tmp_path, "iris") == [1, 2]


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name) -> None:
    with pytest.raises(DataError, match="expected one that a folder can have"):
        register(tmp_path, name, b"", {})
