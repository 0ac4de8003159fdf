"""What loading modules was made of, as lines."""

from recorded import MS, SPAWN, load, ns, process
from reports_fixture import startup_report

from ocrprof.records import LoadParts
from ocrprof.renderers.import_parts import facts, parts_text, total_line
from ocrprof.results.failed_imports import failed_imports
from ocrprof.results.model import ImportConditions, ImportParts, ImportWait, Location, MilestoneUsage, ProcessImports
from ocrprof.results.startup import build_tables


def report_of(*loads, **changes):
    main = process(10, marks={"first-step": 3000}, loads=loads)
    tables = build_tables([main], spawn_ns=SPAWN * MS, end_ns=ns(3000), until="first-step", status="reached")
    return startup_report().model_copy(update={"packages": tables.packages, "imports": tables.imports, **changes})


def test_the_total_is_told_by_its_parts_the_longest_first():
    loads = (
        load("torch", 20, 220, self_ms=150, parts=LoadParts(create_ns=100 * MS, exec_ns=30 * MS, find_ns=15 * MS)),
        load("torch.nn", 30, 80, depth=1, parts=LoadParts(exec_ns=40 * MS, read_ns=10 * MS)),
    )
    line = total_line(report_of(*loads))
    assert line == "imports, anywhere, 200 ms = dlopen 100 · exec 70 · find 15 · read 10 · rest 5"


def test_parts_too_small_to_be_read_are_left_to_the_rest():
    parts = ImportParts(exec_seconds=12.34, read_seconds=0.04, find_seconds=0.06)
    assert parts_text(parts, of_seconds=12.5) == "exec 12.3 · find 0.1 · rest 0.1"


def test_without_parts_there_is_no_total():
    assert total_line(report_of(load("torch", 20, 220))) is None


def test_a_package_sums_the_parts_of_its_modules():
    loads = (
        load("a", 20, 60, self_ms=20, parts=LoadParts(exec_ns=15 * MS)),
        load("a.b", 30, 50, depth=1, parts=LoadParts(exec_ns=1 * MS, compile_ns=9 * MS)),
    )
    (package,) = report_of(*loads).packages
    assert (package.parts.exec_seconds, package.parts.compile_seconds) == (0.016, 0.009)


def test_a_library_is_part_of_the_module_that_opened_it_and_no_module():
    loads = (load("torch", 20, 80, self_ms=20), load("torch.libgomp", 30, 70, depth=1, kind="library"))
    (package,) = report_of(*loads).packages
    assert (package.package, package.num_modules, round(package.self_seconds, 6)) == ("torch", 1, 0.06)


def test_failed_imports_are_told_by_package_and_by_what_they_lacked():
    gone = {"ok": False, "error": "ModuleNotFoundError", "file": None}
    rows = report_of(
        load("deepspeed", 10, 40, **gone),
        load("apex.amp", 50, 70, **gone),
        load("apex", 51, 69, depth=1, **gone),
        load("broken", 80, 180, **gone),
        load("missing", 100, 101, depth=1, **gone),
        load("deepspeed", 190, 195, **gone),
        load("odd", 200, 201, ok=False, error="ValueError"),
    ).imports
    found = [(one.package, round(one.seconds * 1000), one.count, one.cause) for one in failed_imports(rows)]
    assert found == [("broken", 100, 1, "missing"), ("deepspeed", 35, 2, None), ("apex", 20, 1, None),
                     ("odd", 1, 1, None)]  # fmt: skip


def test_failed_tries_are_shown_from_one_percent_of_the_start():
    gone = {"ok": False, "error": "ModuleNotFoundError", "file": None}
    short, long = load("short", 10, 11, **gone), load("deepspeed", 20, 2000, **gone)
    report = report_of(short, long)
    runs = [report.runs[-1].model_copy(update={"wall_seconds": 10.0})]
    shown = facts(report.model_copy(update={"runs": runs, "import_conditions": None, "usage": []}))
    assert shown == ["tried and not found: deepspeed 1.98 s"]


def test_what_disturbed_the_loads_is_told_where_it_took_long():
    wait = ImportWait(module="torch", thread=7, start_seconds=1, seconds=2, importer=Location(file="/x/a.py", line=3))
    conditions = ImportConditions(
        collections=9, collecting_seconds=3, concurrent_seconds=4, num_threads=2, waits=[wait]
    )
    shown = facts(report_of(import_conditions=conditions))
    assert [text.partition(":")[0] for text in shown] == [
        "garbage collection inside imports 3.00 s",
        "several threads imported at once for 4.00 s",
        "threads waited 2.00 s for modules that another one was loading, the longest for torch (/x/a.py",
    ]
    assert facts(report_of(import_conditions=ImportConditions(collections=9, collecting_seconds=0.01))) == []
    assert facts(report_of(import_conditions=ImportConditions(deepest=95)))[0].startswith("imports 95 deep")


def test_other_processes_of_the_start_and_its_reading_are_told():
    tracker = ProcessImports(pid=7, role="helper", start_seconds=1, num_loads=30, seconds=2)
    worker = ProcessImports(pid=8, role="worker", start_seconds=1, num_loads=30, seconds=2)
    usage = [
        MilestoneUsage(mark=mark, at_seconds=1, minor_faults=5, major_faults=1, read_bytes=1024, disk_read_bytes=0)
        for mark in ("imports", "first-step")
    ]
    shown = facts(report_of(process_imports=[tracker, worker], usage=usage))
    assert len(shown) == 2
    assert shown[0].startswith("process 7 of the same start loaded 30 modules in 2.00 s")
    assert shown[1] == "up to first step: 2.00 KiB read (0 B from a disk), 10 page faults (2 from a disk)"


def test_wall_and_processor_time_stand_side_by_side():
    usage = [
        MilestoneUsage(
            mark=mark,
            at_seconds=at,
            minor_faults=5,
            major_faults=1,
            read_bytes=1024,
            disk_read_bytes=0,
            cpu_seconds=cpu,
        )
        for mark, at, cpu in (("imports", 4.0, 3.5), ("first-step", 10.0, 2.0))
    ]
    assert facts(report_of(usage=usage))[-1] == (
        "wall and processor time from milestone to milestone: to imports 4.00 s, 3.50 s; to first step 6.00 s, 2.00 s"
    )
