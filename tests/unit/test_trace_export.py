"""Trace files from hand-made records: lanes, nesting, and what is done with slices that cross."""

import gzip
import json
import random

import pytest
from recorded import MS, SPAWN, load, ns, process, span, still_open
from reports_fixture import baseline_report, startup_report
from trace_checks import check_chrome, check_speedscope

from ocrprof.errors import OcrprofError
from ocrprof.records import ProcessRecords, Span
from ocrprof.results.model import Process
from ocrprof.results.phases import attribute
from ocrprof.results.startup import build_run
from ocrprof.trace.chrome import chrome_trace
from ocrprof.trace.export import export_traces
from ocrprof.trace.lanes import Lanes, build_lanes
from ocrprof.trace.nesting import Slice, nest
from ocrprof.trace.speedscope import speedscope_profile


def lanes_of(*records: ProcessRecords, end: float = 1000) -> Lanes:
    """The lanes of a run that lasted until `end` ms."""
    timeline = attribute(records, spawn_ns=SPAWN * MS, end_ns=ns(end), until="exit", status="reached")
    return build_lanes(records, timeline, until="exit", status="reached")


def events_of(*records: ProcessRecords, end: float = 1000) -> list[dict]:
    """All trace events, after the check that they nest."""
    trace = chrome_trace(lanes_of(*records, end=end), name="python train.py")
    check_chrome(trace)
    return trace["traceEvents"]


def named(events: list[dict], name: str) -> dict:
    (event,) = [event for event in events if event["name"] == name]
    return event


def of(name: str, start: int, end: int) -> Slice:
    return Slice(name, "span", start, end)


def times(slices: tuple[Slice, ...]) -> list[tuple[str, int, int, int]]:
    return [(one.name, one.start_ns, one.end_ns, one.cut_ns) for one in slices]


def test_slices_that_nest_are_left_as_they_are_outer_ones_first():
    nested = nest([of("inner", 2, 5), of("outer", 0, 9), of("next", 5, 9), of("empty", 5, 5)])
    assert times(nested.slices) == [("outer", 0, 9, 0), ("inner", 2, 5, 0), ("next", 5, 9, 0), ("empty", 5, 5, 0)]
    assert (nested.num_cut, nested.num_dropped) == (0, 0)


def test_a_batch_that_was_fetched_ahead_begins_when_the_one_before_it_ends():
    nested = nest([of("batch 0", 0, 10), of("batch 1", 8, 20), of("fetch", 8, 10)])
    assert times(nested.slices) == [("batch 0", 0, 10, 0), ("fetch", 8, 10, 0), ("batch 1", 10, 20, 2)]
    assert nested.num_cut == 1


def test_a_slice_that_outlasts_its_caller_by_little_ends_with_it():
    nested = nest([of("caller", 0, 10), of("called", 1, 12)])
    assert times(nested.slices) == [("caller", 0, 10, 0), ("called", 1, 10, 2)]


def test_a_slice_that_ends_before_it_begins_is_left_out_and_counted():
    nested = nest([of("whole", 0, 10), of("torn", 8, 3)])
    assert [one.name for one in nested.slices] == ["whole"]
    assert nested.num_dropped == 1


@pytest.mark.parametrize("seed", range(20))
def test_any_heap_of_slices_comes_out_nested_with_none_lost_and_none_longer(seed):
    generator = random.Random(seed)
    given = [of(str(index), *sorted(generator.choices(range(40), k=2))) for index in range(60)]
    nested = nest(given)
    ends: list[int] = []
    last = 0
    for one in nested.slices:
        assert one.start_ns >= last
        last = one.start_ns
        while ends and ends[-1] <= one.start_ns:
            ends.pop()
        assert not ends or one.end_ns <= ends[-1]
        ends.append(one.end_ns)
    before = {one.name: one for one in given}
    assert sorted(before, key=int) == sorted((one.name for one in nested.slices), key=int)
    for one in nested.slices:
        own = before[one.name]
        assert own.start_ns <= one.start_ns <= one.end_ns <= own.end_ns
        assert one.cut_ns == (own.end_ns - own.start_ns) - (one.end_ns - one.start_ns)


def test_every_recorded_process_has_a_lane_with_the_main_one_first():
    worker = process(300, pid=200, parent_pid=100, role="worker", end=900)
    main = process(20, end=950, marks={"first-step": 800})
    events = events_of(worker, main)
    lanes = [event for event in events if event["name"] == "process_name"]
    assert [(event["pid"], event["args"]["name"][:4]) for event in lanes] == [(100, "main"), (200, "work")]
    threads = [(event["pid"], event["args"]["name"]) for event in events if event["name"] == "thread_name"]
    assert threads == [(100, "phases"), (100, "main thread"), (200, "main thread")]


def test_phases_are_a_lane_that_covers_the_run_from_spawn_to_end():
    events = events_of(process(20, end=990, spans=(span("model.init", 100, 400),)))
    phases = [event for event in events if event.get("cat") == "phase"]
    assert phases[0] == {"ph": "X", "name": "interpreter", "cat": "phase", "ts": 0, "dur": 20_000, "pid": 100,
                         "tid": phases[0]["tid"]}  # fmt: skip
    assert sum(event["dur"] for event in phases) == 1_000_000
    assert [event["ts"] for event in phases[1:]] == [event["ts"] + event["dur"] for event in phases[:-1]]


def test_times_are_microseconds_from_the_spawn_and_a_slice_tells_its_line():
    events = events_of(
        process(20, end=990, spans=(span("instantiate", 100, 400.5, loc=("/m.py", 3), target="ocr.DBNet"),))
    )
    event = named(events, "instantiate DBNet")
    assert (event["ts"], event["dur"]) == (100_000, 300_500)
    assert event["args"] == {"target": "ocr.DBNet", "file": "/m.py:3"}


def test_loads_nest_in_spans_and_tell_who_asked():
    events = events_of(process(20, end=990, spans=(span("model.init", 100, 400),), loads=(load("torch", 150, 250),)))
    event = named(events, "import torch")
    assert event["args"]["imported_by"] == "__main__ (/home/ana/train.py:1)"
    assert event["args"]["self_us"] == 100_000


def test_a_failed_load_tells_its_error():
    failed = load("deepspeed", 150, 250, ok=False, error="ModuleNotFoundError")
    assert named(events_of(process(20, end=990, loads=(failed,))), "import deepspeed")["args"]["error"] == (
        "ModuleNotFoundError"
    )


def test_marks_are_instants_of_their_process():
    mark = named(events_of(process(20, end=990, marks={"first-step": 800})), "first-step")
    assert (mark["ph"], mark["ts"], mark["s"], mark["pid"]) == ("i", 800_000, "p", 100)


def test_threads_are_numbered_in_the_order_in_which_they_were_seen():
    loads = (load("late", 500, 600, thread=140_001), load("early", 300, 700, thread=140_009))
    events = events_of(process(20, end=990, loads=loads))
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names[named(events, "import early")["tid"]] == "thread 1"
    assert names[named(events, "import late")["tid"]] == "thread 2"


def test_what_a_killed_process_left_open_ends_with_it_and_says_so():
    killed = process(20, open=(still_open("model.init", 200), still_open("timm", 300, is_load=True)))
    events = events_of(killed, end=700)
    event = named(events, "import timm")
    assert (event["ts"], event["dur"], event["args"]) == (300_000, 400_000, {"unfinished": True})
    assert named(events, "model.init")["dur"] == 500_000
    assert "killed" in named(events, "main: python")["args"]["ended"]


def test_slices_that_cross_are_cut_and_the_file_says_how_many():
    crossing = (span("train.batch", 100, 300, i=0), span("train.batch", 290, 500, i=1))
    torn = Span("fetch", ns(400), ns(300), 0, None, {})
    lanes = lanes_of(process(20, end=990, spans=(*crossing, torn)))
    trace = chrome_trace(lanes, name="python train.py")
    check_chrome(trace)
    assert trace["otherData"] == {"command": "python train.py", "slices_cut_to_nest": 1, "slices_left_out": 1}
    batch = named(trace["traceEvents"], "train.batch 1")
    assert (batch["ts"], batch["dur"], batch["args"]["cut_us"]) == (300_000, 200_000, 10_000)


def test_two_lives_of_one_pid_are_two_lanes():
    before, after = process(20, end=200), process(210, end=990)
    pids = [event["pid"] for event in events_of(before, after) if event["name"] == "process_name"]
    assert len(set(pids)) == 2


def test_credentials_on_a_command_line_stay_out_of_a_trace():
    secret = process(20, end=990, argv=("python", "train.py", "--api-key", "k" * 30))
    assert "kkkk" not in json.dumps(events_of(secret))


def test_speedscope_has_one_profile_a_process_that_closes_all_it_opens():
    worker = process(300, pid=200, parent_pid=100, role="worker", end=900, loads=(load("torch", 310, 400),))
    main = process(
        20, end=950, spans=(span("model.init", 100, 400),), loads=(load("a", 150, 250), load("a.b", 160, 200))
    )
    file = speedscope_profile(lanes_of(main, worker), name="python train.py", exporter="ocrprof 0")
    profiles = check_speedscope(file)
    assert [profile["name"][:4] for profile in profiles] == ["main", "work"]
    frames = [frame["name"] for frame in file["shared"]["frames"]]
    opened = [frames[event["frame"]] for event in profiles[0]["events"] if event["type"] == "O"]
    assert opened == ["main: python", "model.init", "import a", "import a.b"]


def folder_of(tmp_path, report_folder: str) -> ProcessRecords:
    """Writes the record file of one process, as a recorder does, and returns what it holds."""
    records = tmp_path / report_folder / "records"
    records.mkdir(parents=True)
    lines = [
        {"k": "process", "v": 1, "pid": 100, "ppid": 1, "start": ns(20), "argv": ["train.py"], "role": "main"},
        {"k": "span", "name": "model.init", "start": ns(100), "end": ns(400), "thread": 0, "loc": None, "a": {}},
        {"k": "end", "at": ns(900), "reason": "exit", "records": 2, "dropped": 0, "cost": 10},
    ]
    (records / "100-1.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + '\n{"k": "sp')
    return process(20, end=900, spans=(span("model.init", 100, 400),))


def run_of(records: ProcessRecords):
    return build_run([records], spawn_ns=SPAWN * MS, end_ns=ns(950), exit_code=0, until="exit", status="reached")


def test_a_start_exports_its_representative_run(tmp_path):
    run = run_of(folder_of(tmp_path, "runs/2"))
    report = startup_report(runs=[run.model_copy(update={"warmup": True}), run], until="exit")
    chrome, speedscope = export_traces(report, tmp_path, output=tmp_path, formats=("chrome", "speedscope"))
    trace = json.loads(gzip.decompress(chrome.path.read_bytes()))
    assert named(trace["traceEvents"], "model.init")["ts"] == 100_000
    check_speedscope(json.loads(speedscope.path.read_text()))
    assert (chrome.path.name, speedscope.path.name) == ("trace.json.gz", "trace.speedscope.json")
    assert f"{chrome}".endswith(f"({chrome.num_slices} slices)")


def test_a_baseline_exports_its_training_run(tmp_path):
    run = run_of(folder_of(tmp_path, "training"))
    (chrome,) = export_traces(baseline_report(run=run), tmp_path, output=tmp_path / "new", formats=("chrome",))
    assert chrome.path == tmp_path / "new" / "trace.json.gz"


def test_the_same_records_give_the_same_file(tmp_path):
    run = run_of(folder_of(tmp_path, "training"))
    first, again = (
        export_traces(baseline_report(run=run), tmp_path, output=tmp_path / name, formats=("chrome",))[0]
        for name in ("first", "again")
    )
    assert first.path.read_bytes() == again.path.read_bytes()


def test_records_that_are_gone_or_are_not_the_reports_are_an_error(tmp_path):
    with pytest.raises(OcrprofError, match="holds no records"):
        export_traces(startup_report(), tmp_path, output=tmp_path, formats=("chrome",))
    run = run_of(folder_of(tmp_path, "training"))
    stranger = Process(pid=7, parent_pid=1, role="main", argv=[], start_seconds=0.02)
    with pytest.raises(OcrprofError, match="are not those of the report"):
        export_traces(
            baseline_report(run=run.model_copy(update={"processes": [stranger]})),
            tmp_path,
            output=tmp_path,
            formats=("chrome",),
        )


def test_no_format_writes_nothing_and_needs_no_records(tmp_path):
    assert export_traces(startup_report(), tmp_path, output=tmp_path, formats=()) == []


def test_what_a_worker_did_before_its_first_batch_is_a_lane_of_its_own_beside_the_phases_of_the_run():
    main = process(20, end=950, marks={"first-step": 800})
    worker = process(
        300,
        pid=200,
        parent_pid=100,
        role="worker",
        end=900,
        marks={"site.end": 310, "process.begin": 600},
        loads=(load("torch", 320, 500),),
        spans=(span("main_module", 315, 550), span("worker.first_batch", 620, 660)),
    )
    events = [event for event in events_of(main, worker) if event["pid"] == 200 and event["ph"] == "X"]
    parts = [(event["name"], event["ts"] // 1000, event["dur"] // 1000) for event in events if event["cat"] == "part"]
    assert parts == [
        ("interpreter", 300, 10),
        ("main_module", 315, 5),
        ("imports", 320, 180),
        ("main_module", 500, 50),
        ("unpickle", 550, 50),
        ("first_batch", 620, 40),
    ]
    check_chrome({"traceEvents": events_of(main, worker)})


def test_each_rank_has_its_phases_and_says_which_it_is():
    ranks = [
        process(20 + 5 * number, pid=200 + number, role="rank", rank=number, world_size=2, end=950,
                spans=(span("model.init", 100, 300),), marks={"exit.begin": 900})
        for number in (0, 1)
    ]  # fmt: skip
    events = events_of(*ranks)
    names = {event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"}
    assert [names[pid].partition(" ·")[0] for pid in (200, 201)] == ["rank 0", "rank 1"]
    for pid in (200, 201):
        assert "model" in {event["name"] for event in events if event["pid"] == pid and event.get("cat") != "span"}
