"""What DataLoader workers did before their first batch, from hand-made records."""

from dataclasses import replace

import pytest
from recorded import MS, SPAWN, load, ns, process, span

from ocrprof.records import Mark, ProcessRecords
from ocrprof.results.model import WorkerGroup
from ocrprof.results.workers import (
    build_workers,
    order_of_starts,
    part_seconds,
    rerun_lines,
    with_rerun_lines,
    worker_pieces,
)

MAIN = "/home/ana/train.py"
SOURCE = '''"""Trains."""
import torch
import os
from pages import Pages

SIZE = 640
TABLE = [n ** 2 for n in range(SIZE)]
LABELS = read_labels("labels.txt")


def main():
    fit(Pages())


class Head:
    pass


if __name__ == "__main__":
    main()
'''


def parent(*starts: tuple[int, float, float], until: float = 2000, fetch: tuple[float, float] | None = (400, 1400)):
    """A main process that starts workers (pid, begin, end) inside one iterator, and then has its first batch."""
    loader = {"num_workers": len(starts), "batch_size": 4, "dataset": "Pages", "datasets": [0]}
    fetches = [span("fetch", *fetch, loader=0, n=0, num_workers=len(starts))] if fetch else []
    return process(
        10,
        marks={"first-step": until},
        spans=(
            span("dataloader.init", 200, 210, loc=(MAIN, 12), **loader),
            *(span("process.start", begin, end, pid=pid, method="spawn") for pid, begin, end in starts),
            span("workers.start", 300, 400, loc=(MAIN, 20), start_method="spawn", **loader),
            *fetches,
        ),
    )


def spawned(pid: int, index: int, at: float, *, imports: float = 500) -> ProcessRecords:
    """A worker that imports for `imports` ms, runs 100 ms of the main module, unpickles for 50, and so on."""
    ends = at + 20 + imports + 100
    worker = process(
        at + 20,
        pid=pid,
        parent_pid=100,
        role="worker",
        marks={"site.end": at + 20, "process.begin": ends + 50},
        loads=(load("torch", at + 20, at + 20 + imports, by=(MAIN, 2), by_module="__mp_main__"),),
        spans=(
            span("main_module", at + 20, ends, path=MAIN),
            span("worker.init", ends + 60, ends + 90),
            span("worker.first_batch", ends + 90, ends + 130),
        ),
    )
    ready = Mark("worker.ready", ns(ends + 60), {"worker": index, "num_workers": 2})
    return replace(worker, marks=(*worker.marks, ready), born_ns=ns(at + 5))


def only_group(*records: ProcessRecords, end: float = 2000) -> WorkerGroup:
    (group,) = build_workers(records, spawn_ns=SPAWN * MS, end_ns=ns(end))
    return group


def test_each_part_of_a_workers_start_is_counted_once():
    worker = only_group(parent((200, 310, 330)), spawned(200, 0, 310)).workers[0]
    assert (worker.index, worker.pid, worker.start_seconds) == (0, 200, pytest.approx(0.310))
    assert worker.interpreter_seconds == pytest.approx(0.020)
    assert worker.imports_seconds == pytest.approx(0.500)
    assert worker.main_module_seconds == pytest.approx(0.100)
    assert worker.unpickle_seconds == pytest.approx(0.050)
    assert worker.init_seconds == pytest.approx(0.030)
    assert worker.fetch_seconds == pytest.approx(0.040)
    assert worker.ready_seconds == pytest.approx(0.310 + 0.020 + 0.500 + 0.100 + 0.090)
    assert worker.first_batch_seconds == pytest.approx(worker.ready_seconds + 0.040)


@pytest.mark.parametrize("birth", [301, 318])
def test_the_parts_never_sum_to_more_than_the_start(birth):
    """Born, by a clock of 10 ms, before it was asked for or later; a load between its function and its first batch."""
    child = spawned(200, 0, 310)
    late = load("torch.utils.data._utils.fetch", 1020, 1040)
    first = replace(child.spans[-1], start_ns=ns(1060), end_ns=ns(1100))
    child = replace(child, born_ns=ns(birth), loads=(*child.loads, late), spans=(*child.spans[:-1], first))
    worker = only_group(parent((200, 310, 330)), child).workers[0]
    parts = [
        getattr(worker, f"{name}_seconds") for name in ("interpreter", "imports", "main_module", "unpickle", "init")
    ]
    assert worker.imports_seconds == pytest.approx(0.500)
    assert 0.7 <= sum(parts) <= worker.ready_seconds - worker.start_seconds + 1e-9


def test_workers_that_start_at_once_cost_the_time_of_one():
    group = only_group(parent((200, 310, 330), (201, 330, 350)), spawned(200, 0, 310), spawned(201, 1, 330))
    assert group.starting_seconds == pytest.approx(0.730)
    assert group.num_at_once == pytest.approx(2 * 0.710 / 0.730)
    assert order_of_starts(group) == "all at once"
    assert group.first_batch_seconds == pytest.approx(1.4)
    assert (group.created_at.line, group.iterated_at.line) == (12, 20)


def test_workers_that_begin_when_the_one_before_is_ready_are_one_after_another():
    first, second = spawned(200, 0, 310, imports=100), spawned(201, 1, 630, imports=100)
    main = parent((200, 310, 340), (201, 630, 640))
    start = next(one for one in main.spans if one.name == "workers.start")
    longer = replace(start, end_ns=ns(650))
    main = replace(main, spans=tuple(longer if one is start else one for one in main.spans))
    group = only_group(main, first, second)
    assert order_of_starts(group) == "one after another"
    assert group.starting_seconds == pytest.approx(2 * 0.310)
    assert group.calling_seconds == pytest.approx(0.350)


def test_what_starts_after_the_first_batch_held_nothing_up():
    group = only_group(
        parent((200, 310, 330), (201, 330, 350), fetch=(400, 1100)), spawned(200, 0, 310), spawned(201, 1, 900)
    )
    assert group.starting_seconds == pytest.approx(1.1 - 0.310)


def test_a_worker_that_was_not_ready_at_the_milestone_has_no_moment():
    group = only_group(parent((200, 310, 330), until=600, fetch=None), spawned(200, 0, 310), end=600)
    assert group.first_batch_seconds is None
    assert group.workers[0].ready_seconds is None and group.workers[0].first_batch_seconds is None
    assert group.starting_seconds == pytest.approx(0.600 - 0.310)
    assert group.workers[0].imports_seconds == pytest.approx(0.600 - 0.330)


def test_a_worker_that_left_no_record_is_known_to_have_been_started():
    group = only_group(parent((200, 310, 330), (201, 330, 350)), spawned(200, 0, 310))
    assert [worker.index for worker in group.workers] == [0, None]
    assert group.workers[1].ready_seconds is None
    assert part_seconds(group)["imports"] == pytest.approx(0.5)  # of those that came to be


def test_forked_workers_cost_next_to_nothing():
    child = process(312, pid=200, parent_pid=100, role="worker", marks={"process.begin": 313})
    ready = Mark("worker.ready", ns(314), {"worker": 0})
    group = only_group(parent((200, 310, 313)), replace(child, marks=(*child.marks, ready), born_ns=ns(311)))
    assert group.starting_seconds == pytest.approx(0.004)
    assert group.packages == [] and group.main_file is None


def test_the_start_of_a_fork_server_is_told_apart_from_its_first_workers():
    main = parent((200, 310, 900), (201, 900, 910), fetch=(400, 1900))
    start = next(one for one in main.spans if one.name == "workers.start")
    forked = replace(start, end_ns=ns(910), attributes={**start.attributes, "start_method": "forkserver"})
    main = replace(main, spans=tuple(forked if one is start else one for one in main.spans))
    server = process(330, pid=150, parent_pid=100, role="helper", loads=(load("torch", 340, 880),))
    children = [
        replace(spawned(200 + index, index, at, imports=10), parent_pid=150, born_ns=ns(at))
        for index, at in ((0, 890), (1, 905))
    ]
    group = only_group(main, replace(server, born_ns=ns(320)), *children)
    assert group.server_seconds == pytest.approx(0.560)
    assert [round(worker.interpreter_seconds, 3) for worker in group.workers] == [0.040, 0.025]


def test_the_pieces_of_a_worker_follow_one_another():
    pieces = worker_pieces(spawned(200, 0, 310), end_ns=ns(1200))
    told = [(one.label, (one.start_ns - SPAWN * MS) // MS, (one.end_ns - one.start_ns) // MS) for one in pieces]
    assert told == [
        ("interpreter", 315, 15),
        ("imports", 330, 500),
        ("main_module", 830, 100),
        ("unpickle", 930, 50),
        (None, 980, 10),
        ("worker_init", 990, 30),
        ("first_batch", 1020, 40),
        (None, 1060, 140),
    ]


def test_packages_and_lines_are_those_of_a_middle_worker():
    group = only_group(
        parent((200, 310, 330), (201, 311, 331), (202, 312, 332)),
        spawned(200, 0, 310, imports=400),
        spawned(201, 1, 311, imports=500),
        spawned(202, 2, 312, imports=900),
    )
    assert [(part.name, part.seconds) for part in group.packages] == [("torch", pytest.approx(0.5))]
    assert [(line.location.line, line.imports_seconds) for line in group.reruns] == [(2, pytest.approx(0.5))]


def test_lines_that_run_again_are_work_at_the_top_level():
    assert rerun_lines(SOURCE) == {
        2: "import torch",
        3: "import os",
        4: "from pages import Pages",
        7: "TABLE = [n ** 2 for n in range(SIZE)]",
        8: 'LABELS = read_labels("labels.txt")',
    }


def test_an_import_that_loaded_nothing_is_not_named():
    group = with_rerun_lines(only_group(parent((200, 310, 330)), spawned(200, 0, 310)), SOURCE)
    assert [(line.location.line, line.imports_seconds) for line in group.reruns] == [
        (2, pytest.approx(0.5)),
        (7, None),
        (8, None),
    ]


def test_the_groups_of_two_iterators_have_a_first_batch_each():
    loader = {"num_workers": 1, "batch_size": 4, "dataset": "Pages", "datasets": [0], "start_method": "fork"}
    main = process(
        10,
        spans=(
            span("workers.start", 300, 310, **loader),
            span("fetch", 310, 350, loader=0, n=0, num_workers=1),
            span("workers.start", 400, 410, **loader),
            span("fetch", 400, 470, loader=1, n=0, num_workers=1),
        ),
    )
    groups = build_workers([main], spawn_ns=SPAWN * MS, end_ns=ns(500))
    assert [group.first_batch_seconds for group in groups] == [pytest.approx(0.35), pytest.approx(0.47)]
