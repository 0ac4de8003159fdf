"""Stacks read from a sampler's trace, and the shift that puts them on the recorder's clock."""

import pytest
from recorded import MS
from sampled import MAIN, PERIOD_NS, PROGRAM, body, body_load, functions, trace

from ocrprof.results.sampled_stacks import align, main_thread_stretches, shifted

MODULES = [f"/home/ana/ocr/m{number}.py" for number in range(6)]


def test_a_stack_lasts_until_the_sample_that_shows_another_one():
    main = ("main", PROGRAM, 7)
    events = trace((0, [body(PROGRAM), main]), (30, [body(PROGRAM), main, ("nap", PROGRAM, 3)]),
                   (70, [body(PROGRAM), main]), end=90)  # fmt: skip
    found = main_thread_stretches(events)
    assert [(one.start_ns // MS, one.end_ns // MS) for one in found] == [(0, 30), (30, 70), (70, 90)]
    assert [functions(one.frames) for one in found][1] == ["<module>", "main", "nap"]


def test_events_of_one_moment_are_one_sample():
    events = trace((0, [body(PROGRAM, 1)]), (20, [body(PROGRAM, 2), ("read", PROGRAM, 9)]), end=40)
    assert [functions(one.frames) for one in main_thread_stretches(events)] == [["<module>"], ["<module>", "read"]]


def test_the_main_thread_is_the_one_that_runs_the_programs_file():
    other = trace((0, [("_bootstrap", "/usr/lib/python3.11/threading.py", 1002)]), end=900, thread=5)
    events = [*other, *trace((400, [body(PROGRAM)]), end=500)]
    assert [one.start_ns // MS for one in main_thread_stretches(events)] == [400]


def test_nothing_sampled_is_no_stretch():
    assert main_thread_stretches([]) == []


def sampled_modules(*, late, shift=0.0):
    """A trace in which each body is seen `late[i]` ms after it began, and after it ended, `shift` ms off; its loads."""
    events, loads = [], []
    for number, (file, lag) in enumerate(zip(MODULES, late, strict=True)):
        start, end = 100 * number, 100 * number + 60
        events.append((start + lag + shift, [body(PROGRAM), body(file)]))
        events.append((end + lag + shift, [body(PROGRAM)]))
        loads.append(body_load(file, start, end))
    return main_thread_stretches(trace(*events, end=1000 + shift, thread=MAIN)), loads


def test_the_shift_is_the_median_by_which_bodies_were_seen_late():
    stretches, loads = sampled_modules(late=[2, 4, 5, 6, 8, 30], shift=500)
    alignment = align(stretches, loads)
    begun_ns = loads[0].start_ns
    assert alignment.num_anchors == 12
    assert alignment.refusal(period_ns=PERIOD_NS) is None
    aligned = shifted(stretches, alignment.offset_ns)
    assert aligned[0].start_ns == pytest.approx(begun_ns, abs=4 * MS)
    assert alignment.residual_ns == pytest.approx(2 * MS, abs=1 * MS)


def test_clocks_that_do_not_agree_are_refused():
    stretches, loads = sampled_modules(late=[0, 100, 300, 500, 700, 900])
    assert "agree to" in align(stretches, loads).refusal(period_ns=PERIOD_NS)


def test_too_few_modules_are_refused():
    stretches, loads = sampled_modules(late=[2, 4, 5, 6, 8, 30])
    assert align(stretches, loads[:1]).num_anchors == 2
    assert "2 moments, and 4 are needed" in align(stretches, loads[:1]).refusal(period_ns=PERIOD_NS)
    assert "0 moments" in align(stretches, []).refusal(period_ns=PERIOD_NS)


def test_a_file_that_was_loaded_or_seen_twice_tells_nothing():
    stretches, loads = sampled_modules(late=[2, 4, 5, 6, 8, 9])
    assert align(stretches, [*loads, loads[0]]).num_anchors == 10
    twice = trace((0, [body(PROGRAM), body(MODULES[0])]), (60, [body(PROGRAM)]),
                  (80, [body(PROGRAM), body(MODULES[0])]), (90, [body(PROGRAM)]), end=100)  # fmt: skip
    assert align(main_thread_stretches(twice), loads).num_anchors == 0


def test_a_body_that_loads_others_tells_by_its_end_alone():
    stretches, loads = sampled_modules(late=[2, 4, 5, 6, 8, 9])
    loads[0] = body_load(MODULES[0], 0, 60, self_ms=10)
    assert align(stretches, loads).num_anchors == 11
