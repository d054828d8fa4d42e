"""The search judges candidates, and goes on where it was interrupted."""

import dataclasses

import pytest

import training.search
from tests.training.conftest import QUICK
from training.search import search


@pytest.fixture
def two_candidates(monkeypatch):
    def candidates(task):
        return {
            "trees": dataclasses.replace(QUICK, networks=0, boosted=1).pipeline_for_whole_windows(),
            "network": dataclasses.replace(QUICK, networks=1, boosted=0).pipeline_for_whole_windows(),
        }

    monkeypatch.setattr(training.search, "candidates", candidates)


@pytest.mark.usefixtures("two_candidates")
def test_an_interrupted_search_goes_on_where_it_was(small_training, tmp_path):
    told = []

    def interrupt(text):
        told.append(text)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(small_training, tmp_path, interrupt, jobs=1)
    told.clear()
    table = search(small_training, tmp_path, told.append, jobs=1)
    assert told[0] == "TINY: 2 candidates, 5 of 8 folds to do"
    assert "| trees | " in table
    assert (tmp_path / "search-tiny.md").read_text() == table
    told.clear()
    assert search(small_training, tmp_path, told.append, jobs=1) == table
    assert told == ["TINY: 2 candidates, 0 of 8 folds to do"]


def test_every_candidate_can_be_made(small_training):
    names = list(training.search.candidates(small_training.task))
    assert len(names) == len(set(names)) >= 10
    assert "one raw row, random forest" in names
