"""Full collections of garbage move between loads; what a module saves of them is its share of the objects."""

import pytest
from graphs import Tree
from recorded import MS, load, process

from ocrprof.results.deferral import what_if
from ocrprof.results.garbage import shifts_of


def collected(**by_module: list[int]):
    return process(totals={"garbage_by_module": by_module})


def test_a_full_collection_is_charged_by_the_collections_that_fell_into_each_module():
    shifts = shifts_of(collected(heavy=[30, 0], unlucky=[10, 200 * MS]))
    assert shifts == pytest.approx({"heavy": 0.150, "unlucky": -0.150})


def test_a_process_that_told_of_none_is_left_as_it_is():
    assert shifts_of(process()) == {}
    assert shifts_of(collected()) == {}


def test_a_prediction_does_not_save_a_collection_that_would_fall_elsewhere():
    tree = Tree("import unlucky\nimport heavy\n")
    tree.module("unlucky", "__main__", 1)
    tree.module("heavy", "__main__", 2)
    start = tree.start()
    run = process(
        loads=(load("unlucky", 0, 300), load("heavy", 300, 500)),
        totals={"garbage_by_module": {"unlucky": [10, 200 * MS], "heavy": [30, 0]}},
    )
    assert what_if("unlucky", start, runs=[run]).predicted_seconds == pytest.approx(0.150)
    assert what_if("heavy", start, runs=[run]).predicted_seconds == pytest.approx(0.350)
