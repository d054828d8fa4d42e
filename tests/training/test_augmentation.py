"""Disturbed copies are what devices meet: short histories, gaps, silent fields; the newest message stays."""

import numpy as np

from tests.training.conftest import wearing_engines
from training.augmentation import disturbed_copies
from training.features import WindowFeatures
from training.windows import windows


def test_copies_lack_something_and_keep_the_newest_message():
    x = windows(wearing_engines([300]), 50)
    known = np.arange(60, 300)
    rows, copies = disturbed_copies(x, known, cycle=0)
    assert len(rows) == len(set(rows.tolist())) == int(0.05 * 240)
    assert set(rows.tolist()) <= set(known.tolist())
    assert np.isnan(copies).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(copies[:, -1, 0], x[rows, -1, 0])
    there = ~np.isnan(copies)
    np.testing.assert_array_equal(copies[there], x[rows][there])


def test_the_same_rows_give_the_same_copies():
    x = windows(wearing_engines([300]), 50)
    first, second = (disturbed_copies(x, np.arange(300), cycle=0) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])


def test_a_gap_is_filled_from_its_neighbours_not_from_the_whole_window():
    engines = wearing_engines([300], seed=4)
    x = windows(engines, 50)
    features = WindowFeatures().fit(x)
    gapped = x[[295]].copy()
    gapped[:, -11:-1] = np.nan
    healthy = features.transform(x[[100]])[0, :-2]
    whole, filled = features.transform(x[[295]])[0, :-2], features.transform(gapped)[0, :-2]
    assert np.abs(filled - whole).mean() < 0.25 * np.abs(healthy - whole).mean()


def test_how_many_messages_a_window_holds_is_a_feature():
    x = windows(wearing_engines([60]), 50)
    features = WindowFeatures().fit(x)
    assert features.transform(x)[[0, 9, 59], -1].tolist() == [1, 10, 50]
