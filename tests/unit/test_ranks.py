"""Ranks side by side: their phases, waits and skews, from hand-made records."""

import pytest
from recorded import MS, SPAWN, load, ns, process, span, still_open

from ocrprof.records import ProcessRecords
from ocrprof.results.model import RankFigures
from ocrprof.results.phases import attribute, main_process
from ocrprof.results.ranks import LAUNCH, build_ranks
from ocrprof.results.startup import build_run
from ocrprof.results.timelines import build_timeline

DATA = ("/home/ana/data.py", 7)


def collective(op: str, start: float, end: float, n: int = 0):
    return span("collective", start, end, op=op, n=n)


def rank(number: int, start: float, *, step: float | None, arrives: float, data: float, meets: float, **changes):
    """A rank whose data set takes `data` ms; it comes to the barrier at `arrives`, which all leave at `meets`."""
    milestone = {"marks": {"first-step": step}, "milestone": ("first-step", step)} if step is not None else {}
    fields = {
        "pid": 200 + number,
        "parent_pid": 100,
        "role": "rank",
        "rank": number,
        "world_size": 2,
        "loads": (load("torch", start, start + 100),),
        "spans": (
            span("dataset.init", arrives - data, arrives, loc=DATA, **{"class": "pages.Pages"}),
            collective("barrier", arrives, meets),
        ),
        **milestone,
        **changes,
    }
    return process(start, **fields)


def figures(*records: ProcessRecords, end: float = 1000, status: str = "reached") -> RankFigures:
    found = build_ranks(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until="first-step", status=status)
    assert found is not None
    for row in found.ranks:
        assert sum(phase.seconds for phase in row.phases) == pytest.approx(row.seconds)
    return found


LAUNCHER = process(10, pid=100, loads=(load("torch", 20, 40),))
QUICK = rank(0, 50, step=800, arrives=200, data=10, meets=700)
SLOW = rank(1, 52, step=805, arrives=690, data=500, meets=700)


def test_the_slowest_is_the_one_that_the_others_wait_for():
    found = figures(LAUNCHER, QUICK, SLOW)
    assert found.slowest == 1
    waits = [[(wait.at, wait.last_rank, wait.seconds) for wait in row.waits] for row in found.ranks]
    assert waits == [[("barrier", 1, pytest.approx(0.490))], []]


def test_a_skew_is_without_the_waiting_and_names_what_was_built():
    skew = figures(LAUNCHER, QUICK, SLOW).skews[0]
    assert (skew.phase, skew.slowest, skew.fastest) == ("data", 1, 0)
    assert skew.seconds == pytest.approx(0.490)
    assert skew.cause == "dataset.init Pages"
    assert (skew.location.file, skew.location.line) == DATA


def test_a_wait_is_taken_off_the_phase_in_which_it_lies():
    found = figures(LAUNCHER, QUICK, SLOW)
    unattributed = {phase.name: phase.seconds for phase in found.ranks[0].phases}["unattributed"]
    wait = found.ranks[0].waits[0]
    assert wait.phase == "unattributed"
    assert unattributed - wait.seconds == pytest.approx(0.800 - 0.050 - 0.100 - 0.010 - 0.490)


def test_collectives_of_a_part_of_the_ranks_are_no_waiting():
    alone = rank(0, 50, step=800, arrives=200, data=10, meets=700)
    other = rank(1, 52, step=805, arrives=690, data=500, meets=700, spans=())
    assert figures(LAUNCHER, alone, other).ranks[0].waits == []


def test_collectives_inside_one_another_are_waited_for_once():
    spans = (collective("all_gather_object", 200, 700), collective("all_gather", 210, 690))
    late = (collective("all_gather_object", 600, 700), collective("all_gather", 610, 690))
    quick = rank(0, 50, step=800, arrives=200, data=10, meets=700, spans=spans)
    slow = rank(1, 50, step=800, arrives=200, data=10, meets=700, spans=late)
    waits = figures(quick, slow).ranks[0].waits
    assert sum(wait.seconds for wait in waits) == pytest.approx(0.410)


def test_the_rank_that_is_ready_to_exchange_gradients_waits_for_the_other():
    marks = {"forward": 300, "first-step": 800}
    quick = rank(0, 50, step=800, arrives=200, data=10, meets=201, marks=marks)
    slow = rank(1, 50, step=800, arrives=200, data=10, meets=201, marks={**marks, "forward": 700})
    (wait,) = figures(quick, slow).ranks[0].waits
    assert (wait.at, wait.last_rank, wait.seconds) == ("the first gradients", 1, pytest.approx(0.4))


def test_the_time_before_a_ranks_process_is_its_launch():
    found = figures(LAUNCHER, QUICK, SLOW)
    assert [row.phases[0].name for row in found.ranks] == [LAUNCH, LAUNCH]
    assert [row.phases[0].seconds for row in found.ranks] == [pytest.approx(0.050), pytest.approx(0.052)]
    assert [row.launched_by for row in found.ranks] == [None, None]


def test_a_rank_may_start_another():
    first = rank(0, 10, step=800, arrives=200, data=10, meets=700)
    second = rank(1, 400, step=805, arrives=690, data=100, meets=700, parent_pid=200)
    found = figures(first, second)
    assert [row.launched_by for row in found.ranks] == [None, 0]
    assert found.skews[0].phase == LAUNCH and found.skews[0].seconds == pytest.approx(0.390)


def test_the_run_ends_with_its_slowest_rank():
    records = [LAUNCHER, QUICK, SLOW]
    assert main_process(records) is SLOW
    run = build_run(records, spawn_ns=SPAWN * MS, end_ns=ns(900), exit_code=None, until="first-step", status="reached")
    assert run.wall_seconds == pytest.approx(0.805)
    assert [(one.role, one.rank) for one in run.processes] == [("launcher", None), ("rank", 0), ("rank", 1)]


def test_the_run_is_told_by_the_rank_that_was_waited_for_and_ends_with_the_last():
    last = rank(0, 50, step=812, arrives=200, data=10, meets=700)
    records = [LAUNCHER, last, SLOW]
    assert main_process(records) is SLOW
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(900), until="first-step", status="reached")
    assert timeline.end_ns == ns(812)
    totals = timeline.nanoseconds()
    assert totals["data"] == 500 * MS and "after_first_step" not in totals


def test_a_rank_that_broke_off_is_named_and_the_one_that_arrived_keeps_its_time():
    dead = rank(1, 52, step=None, arrives=300, data=100, meets=301, spans=(), marks={"exit.begin": 350}, end=360)
    records = [LAUNCHER, QUICK, dead]
    run = build_run(records, spawn_ns=SPAWN * MS, end_ns=ns(900), exit_code=1, until="first-step", status="crashed")
    assert run.failing_rank == 1
    found = figures(*records, end=900, status="crashed")
    assert found.slowest is None and found.skews == []
    assert [(row.reached, row.ended_by_itself) for row in found.ranks] == [(True, False), (False, True)]
    assert [row.seconds for row in found.ranks] == [pytest.approx(0.800), pytest.approx(0.360)]


def test_a_rank_whose_collective_failed_is_not_the_one_that_broke_off():
    failed = span("collective", 300, 400, op="barrier", n=0, error="RuntimeError")
    victim = rank(0, 50, step=None, arrives=300, data=10, meets=400, spans=(failed,), marks={"exit.begin": 410})
    killed = rank(1, 50, step=None, arrives=300, data=10, meets=400, spans=())
    assert main_process([LAUNCHER, victim, killed], failed=True) is killed


def test_of_ranks_that_were_killed_the_one_that_no_collective_holds_is_the_first():
    waits = rank(0, 50, step=None, arrives=200, data=10, meets=201, spans=(), open=(still_open("collective", 400),))
    killed = rank(1, 50, step=None, arrives=200, data=10, meets=201, spans=(), marks={"model": 300})
    assert main_process([LAUNCHER, waits, killed], failed=True) is killed


def test_the_rank_that_torchrun_saw_failing_first_is_the_one():
    ranks = [rank(number, 50, step=None, arrives=200, data=10, meets=201, spans=()) for number in (0, 1)]
    said = ["rank      : 0 (local_rank: 0)", "exitcode  : -15 (pid: 200)", "Root Cause (first observed failure):",
            "[0]:", "  rank      : 1 (local_rank: 1)", "  exitcode  : -9 (pid: 201)"]  # fmt: skip
    assert main_process([LAUNCHER, *ranks], failed=True, stderr_tail=said) is ranks[1]
    run = build_run([LAUNCHER, *ranks], spawn_ns=SPAWN * MS, end_ns=ns(900), exit_code=1, until="first-step",
                    status="crashed", stderr_tail=said)  # fmt: skip
    assert run.failing_rank == 1


def test_of_ranks_that_hang_the_one_that_is_least_far_is_told_of():
    far = rank(0, 50, step=None, arrives=200, data=10, meets=201, marks={"model": 300})
    hangs = rank(1, 50, step=None, arrives=200, data=10, meets=201, spans=(), marks={"config": 60})
    assert main_process([LAUNCHER, far, hangs], failed=True) is hangs


def test_one_rank_alone_has_nothing_beside_it():
    alone = rank(0, 50, step=800, arrives=200, data=10, meets=201, world_size=1)
    assert build_ranks([alone], spawn_ns=SPAWN * MS, end_ns=ns(900), until="first-step", status="reached") is None


def test_every_rank_has_its_phases_in_the_timeline():
    records = [LAUNCHER, QUICK, SLOW]
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(900), until="first-step", status="reached")
    segments = build_timeline(timeline, records, until="first-step", status="reached")
    data = {one.pid: one.seconds for one in segments if one.phase == "data"}
    assert data == {200: pytest.approx(0.010), 201: pytest.approx(0.500)}
    own = sorted((one for one in segments if one.pid == 200), key=lambda one: one.start_seconds)
    assert own[0].start_seconds == pytest.approx(0.050)
