"""The timeline of a run: pieces of its processes, from hand-made records."""

import pytest
from recorded import MS, SPAWN, load, ns, process, span

from ocrprof.records import ProcessRecords
from ocrprof.results.model import Segment
from ocrprof.results.phases import attribute
from ocrprof.results.timelines import build_timeline


def timeline_of(*records: ProcessRecords, end: float = 1000) -> list[Segment]:
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until="exit", status="reached")
    return build_timeline(timeline, records, until="exit", status="reached")


def pieces(segments: list[Segment], pid: int) -> list[tuple[str, int, int]]:
    """(phase, start, length) in milliseconds."""
    return [(one.phase, round(one.start_seconds * 1e3), round(one.seconds * 1e3)) for one in segments if one.pid == pid]


def test_the_main_process_covers_the_run_without_a_gap():
    main = process(20, spans=(span("model.init", 100, 400),), marks={"exit.begin": 900}, end=950)
    assert pieces(timeline_of(main), 100) == [
        ("interpreter", 0, 20),
        ("unattributed", 20, 80),
        ("model", 100, 300),
        ("unattributed", 400, 500),
        ("exit", 900, 100),
    ]


def test_a_launcher_has_the_time_before_its_child():
    launcher = process(20, pid=50, loads=(load("torch", 30, 200),))
    rank = process(300, pid=60, parent_pid=50, role="rank", marks={"first-step": 800}, end=900)
    segments = timeline_of(launcher, rank)
    assert pieces(segments, 50) == [("interpreter", 0, 20), ("unattributed", 20, 10), ("imports", 30, 170),
                                    ("unattributed", 200, 100)]  # fmt: skip
    assert pieces(segments, 60)[0][1] == 300
    assert sum(one.seconds for one in segments) == pytest.approx(1.0)


def test_of_a_worker_only_what_is_known_is_told():
    main = process(20, marks={"first-step": 800})
    worker = process(300, pid=200, parent_pid=100, role="worker", loads=(load("torch", 310, 400),), end=700)
    assert pieces(timeline_of(main, worker), 200) == [("imports", 310, 90)]


def test_nothing_recorded_is_no_timeline():
    assert timeline_of() == []
