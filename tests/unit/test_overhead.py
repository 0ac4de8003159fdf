"""What recording costs, from pairs of runs: their order, the differences within them, and how they are told."""

import pytest
from reports_fixture import startup_report
from test_console import startup_text

from ocrprof.renderers.markdown import startup_markdown
from ocrprof.results.model import OverheadPair
from ocrprof.results.overhead import build_overhead, order_of_pairs


def pair(recorded, marks_only):
    return OverheadPair(recorded_seconds=recorded, marks_only_seconds=marks_only, recorded_first=True)


def test_either_run_of_a_pair_may_come_first_and_the_seed_gives_the_order_again():
    order = order_of_pairs(30, seed=7)
    assert set(order) == {True, False}
    assert order == order_of_pairs(30, seed=7)
    assert order != order_of_pairs(30, seed=8)


def test_the_difference_is_taken_within_pairs_and_not_between_medians():
    overhead = build_overhead([pair(10.5, 10.0), pair(20.4, 20.0), pair(9.0, 8.0)], seed=5)
    assert overhead.difference_seconds.median == pytest.approx(0.5)
    assert overhead.difference_seconds.ci95 == pytest.approx((0.4, 1.0))
    assert overhead.marks_only_seconds.median == 10.0
    assert overhead.seed == 5


def test_the_difference_stands_beside_the_observer_on_terminal_and_page():
    overhead = build_overhead([pair(10.1, 10.0), pair(10.2, 10.0), pair(10.3, 10.0)], seed=11)
    report = startup_report().model_copy(update={"overhead": overhead})
    text = startup_text(report)
    assert "recording adds 200 ms, +2.0 % (95 % interval 100 ms to 300 ms)" in " ".join(text.split())
    assert "3 pairs in random order, seed 11" in " ".join(text.split())
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "recording adds 200 ms" in startup_markdown(report)


def test_no_figure_is_given_where_no_pair_arrived():
    overhead = build_overhead([], seed=0, stopped_by="timed_out")
    text = " ".join(startup_text(startup_report().model_copy(update={"overhead": overhead})).split())
    assert "overhead not measured: no pair arrived; the check ended at a run of status timed out" in text
