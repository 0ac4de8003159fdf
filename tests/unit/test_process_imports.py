"""What each process loaded, and what went on beside its loads."""

from dataclasses import replace

import pytest
from recorded import MS, SPAWN, load, ns, process

from ocrprof.records import LoadParts, Mark, Wait
from ocrprof.results.process_imports import build_import_conditions, build_process_imports, build_usage

WINDOW = {"spawn_ns": SPAWN * MS, "end_ns": (SPAWN + 1000) * MS}


def test_each_process_tells_what_it_loaded_before_the_milestone():
    main = process(loads=(load("torch", 100, 400), load("torch.nn", 200, 300, depth=1), load("late", 1001, 1002)))
    worker = process(50, pid=101, role="worker", loads=(load("numpy", 60, 80, compiled=True),))
    idle = process(70, pid=102, role="worker")
    found = build_process_imports([worker, main, idle], **WINDOW)
    assert [(one.pid, one.num_loads, one.num_compiled) for one in found] == [(100, 2, 0), (101, 1, 1)]
    assert [round(one.seconds, 6) for one in found] == [0.3, 0.02]
    assert found[1].start_seconds == 0.05


def test_the_packages_of_a_process_are_the_longest_by_self_time():
    loads = [load(f"p{number}.sub", number * 10, number * 10 + number) for number in range(1, 9)]
    (one,) = build_process_imports([process(loads=(*loads, load("p1", 200, 210)))], **WINDOW)
    assert [part.name for part in one.packages] == ["p1", "p8", "p7", "p6", "p5"]
    assert round(one.packages[0].seconds, 6) == 0.011


def test_loads_of_other_threads_count_as_loads_and_not_as_time_of_the_process():
    loads = (load("a", 10, 20, parts=LoadParts(exec_ns=4 * MS)), load("b", 10, 90, thread=7))
    (one,) = build_process_imports([process(loads=loads)], **WINDOW)
    assert (one.num_loads, one.seconds, one.parts.total_seconds) == (2, 0.01, 0.004)


def test_concurrent_time_is_that_in_which_two_threads_were_loading():
    loads = (
        load("a", 0, 100),
        load("a.b", 10, 40, depth=1),
        load("c", 50, 80, thread=7),
        load("d", 70, 120, thread=8),
    )
    found = build_import_conditions(process(loads=loads), **WINDOW)
    assert found is not None
    assert round(found.concurrent_seconds, 6) == 0.05
    assert (found.num_threads, found.deepest) == (3, 2)


def test_waits_and_collections_are_told_with_the_loads_they_fell_into():
    one = process(
        loads=(load("a", 0, 100),),
        waits=(Wait("a", ns(10), ns(60), 7, ("/x.py", 3)), Wait("late", ns(1001), ns(1002), 7, None)),
        totals={"garbage": {"collections": 3, "ns": 9 * MS}},
    )
    found = build_import_conditions(one, **WINDOW)
    assert found is not None
    assert (found.collections, found.collecting_seconds) == (3, 0.009)
    assert [(wait.module, wait.thread, wait.seconds, wait.importer.line) for wait in found.waits] == [("a", 7, 0.05, 3)]


def test_a_process_that_loads_nothing_has_no_conditions():
    assert build_import_conditions(process(), **WINDOW) is None


def test_usage_is_told_from_mark_to_mark():
    marks = (
        Mark("imports", ns(100), {"usage": [10, 1, 1000, 512]}),
        Mark("hydra", ns(150), {}),
        Mark("config", ns(200), {"usage": [15, 1, 1500, 512]}),
        Mark("exit.begin", ns(1500), {"usage": [99, 9, 9999, 999]}),
    )
    found = build_usage(replace(process(), marks=marks), **WINDOW)
    assert [(row.mark, row.minor_faults, row.major_faults, row.read_bytes, row.disk_read_bytes) for row in found] == [
        ("imports", 10, 1, 1000, 512),
        ("config", 5, 0, 500, 0),
    ]


def test_processor_time_is_told_from_mark_to_mark_where_it_was_recorded():
    marks = (
        Mark("imports", ns(100), {"usage": [10, 1, 1000, 512], "cpu": 80 * MS}),
        Mark("config", ns(200), {"usage": [15, 1, 1500, 512], "cpu": 110 * MS}),
    )
    found = build_usage(replace(process(), marks=marks), **WINDOW)
    assert [row.cpu_seconds for row in found] == pytest.approx([0.080, 0.030])
