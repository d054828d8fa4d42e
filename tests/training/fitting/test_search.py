"""The search judges candidates, and goes on where it was interrupted."""

import dataclasses

import pytest

import training.fitting.search
from tests.training.conftest import QUICK
from training.data.task import CMAPSS
from training.fitting.search import recipes, search


@pytest.fixture
def two_candidates(monkeypatch):
    def recipes(task):
        return {
            "trees": dataclasses.replace(QUICK, networks=0, boosted_graders=1),
            "network": dataclasses.replace(QUICK, networks=1, boosted=0),
        }

    monkeypatch.setattr(training.fitting.search, "recipes", recipes)
    monkeypatch.setattr(training.fitting.search, "baselines", lambda task: {})


@pytest.mark.whole
@pytest.mark.usefixtures("two_candidates")
def test_an_interrupted_search_goes_on_where_it_was(small_training, tmp_path):
    told = []

    def take(text, *_):
        told.append(text)

    def interrupt(text, *_):
        told.append(text)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(small_training, tmp_path, interrupt, jobs=1)
    told.clear()
    table = search(small_training, tmp_path, take, jobs=1)
    assert told[0] == "TINY: 2 candidates, 5 of 8 folds to do"
    assert "trees" in table
    assert (tmp_path / "search-tiny.md").read_text() == table
    told.clear()
    assert search(small_training, tmp_path, take, jobs=1) == table
    assert told == ["TINY: 2 candidates, 0 of 8 folds to do"]


def test_every_candidate_can_be_made(small_training):
    task = small_training.task
    found = [*recipes(task), *training.fitting.search.baselines(task)]
    assert len(found) == len(set(found)) >= 15
    for recipe in recipes(task).values():
        recipe.pipeline(task)


@pytest.mark.parametrize("window", [5, 12, 30, 50, 200])
def test_candidates_fit_the_window_and_differ(window):
    found = recipes(dataclasses.replace(CMAPSS, window=window))
    assert "default" in found
    assert len(set(found.values())) == len(found) >= 8
    for recipe in found.values():
        scaled = recipe.scaled(window)
        for view in (scaled.tree_view, *scaled.views):
            assert max(*view.means, *view.slopes) <= window
            assert max(view.means) == window


@pytest.mark.whole
def test_the_table_is_sorted_with_the_best_on_top_and_how_to_fit_it(small_training, tmp_path, monkeypatch):
    # Of one round of trees nobody can learn as much as of twenty.
    good, bad = (dataclasses.replace(QUICK, networks=0, boosted_graders=1, rounds=rounds) for rounds in (20, 1))
    monkeypatch.setattr(training.fitting.search, "recipes", lambda task: {"bad": bad, "good": good})
    monkeypatch.setattr(
        training.fitting.search, "baselines", lambda task: {"other": good.pipeline_for_whole_windows(task)}
    )
    table = search(small_training, tmp_path, lambda *_: None, jobs=1).splitlines()
    losses = [float(line.split("|")[4]) for line in table if line.startswith("| ") and "log loss" not in line]
    assert losses == sorted(losses)
    assert any(line.startswith("| **good** |") for line in table)
    assert any(line.startswith("| other (to compare with) |") for line in table)
    assert "`python -m training fit --candidate good ...`" in table[-1]
