"""Torn copies are what devices meet: short histories, gaps, lost messages; the newest message stays."""

import numpy as np

from tests.training.conftest import wearing_engines
from training.data.windows import windows
from training.estimators.experts import Experts
from training.estimators.features import WindowFeatures
from training.fitting.tearing import torn_copies


def test_every_copy_is_torn_and_keeps_its_newest_message():
    x = windows(wearing_engines([300, 40]), 50)
    rows, copies = torn_copies(x, cycle=0)
    # All but each engine's first, which is a single message.
    np.testing.assert_array_equal(rows, np.delete(np.arange(340), [0, 300]))
    np.testing.assert_array_equal(copies[:, -1, 0], x[rows, -1, 0])
    there = ~np.isnan(copies)
    np.testing.assert_array_equal(copies[there], x[rows][there])
    experts, features = Experts(None, None, window=50), WindowFeatures().fit(x)
    assert experts.are_whole(features.counts(x)).all()
    assert not experts.are_whole(features.counts(copies)).any()


def test_copies_lack_beginnings_middles_and_single_values():
    x = windows(wearing_engines([400]), 50)
    rows, copies = torn_copies(x, cycle=0)
    old = rows >= 60
    there = ~np.isnan(copies[old, :, 0])
    assert there.any(axis=1).all()
    assert 0.2 < (~there[:, 0]).mean() < 0.6
    assert ((~there).any(axis=1) & there[:, 0]).any()
    # A connection that is back: the gap ends with the message before the newest.
    assert 0.2 < (there[:, 0] & ~there[:, -2]).mean() < 0.5
    silent = np.isnan(copies[old]).all(axis=1).any(axis=1)
    assert 0.1 < silent.mean() < 0.4


def test_the_same_rows_give_the_same_copies():
    x = windows(wearing_engines([300]), 50)
    first, second = (torn_copies(x, cycle=0) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
