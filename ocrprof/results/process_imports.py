"""What each process loaded, what went on beside the loads, and what the kernel did from mark to mark."""

from collections.abc import Sequence

from ocrprof.records import Load, ProcessRecords
from ocrprof.results.import_graph import add_parts, seconds_of_parts, top_level
from ocrprof.results.intervals import Interval, union_ns
from ocrprof.results.model import ImportConditions, ImportWait, Location, MilestoneUsage, Part, ProcessImports

_NUM_PACKAGES = 5


def build_process_imports(records: Sequence[ProcessRecords], *, spawn_ns: int, end_ns: int) -> list[ProcessImports]:
    """One value for each process that loaded anything before `end_ns`, in the order in which they started."""
    return [
        _of_process(process, loads, spawn_ns=spawn_ns, end_ns=end_ns)
        for process in sorted(records, key=lambda process: process.start_ns)
        if (loads := [load for load in process.loads if load.start_ns < end_ns])
    ]


def _of_process(process: ProcessRecords, loads: Sequence[Load], *, spawn_ns: int, end_ns: int) -> ProcessImports:
    own = [load for load in loads if load.thread == 0]
    intervals = [Interval(load.start_ns, load.end_ns, "imports") for load in own]
    self_ns: dict[str, int] = {}
    for load in own:
        self_ns[top_level(load.name)] = self_ns.get(top_level(load.name), 0) + load.self_ns
    longest = sorted(self_ns.items(), key=lambda one: -one[1])[:_NUM_PACKAGES]
    return ProcessImports(
        pid=process.pid,
        role=process.role,
        rank=process.rank,
        start_seconds=(process.start_ns - spawn_ns) / 1e9,
        num_loads=len(loads),
        num_compiled=sum(load.compiled for load in loads),
        seconds=union_ns(intervals, start_ns=process.start_ns, end_ns=end_ns) / 1e9,
        parts=add_parts(seconds_of_parts(load.parts) for load in own),
        packages=[Part(name=name, seconds=nanoseconds / 1e9) for name, nanoseconds in longest],
    )


def build_import_conditions(process: ProcessRecords, *, spawn_ns: int, end_ns: int) -> ImportConditions | None:
    """What disturbed the loads of one process before `end_ns`; None where it loaded nothing."""
    loads = [load for load in process.loads if load.start_ns < end_ns]
    if not loads:
        return None
    garbage = process.totals.get("garbage", {})
    return ImportConditions(
        collections=garbage.get("collections", 0),
        collecting_seconds=garbage.get("ns", 0) / 1e9,
        concurrent_seconds=_concurrent_ns(loads, end_ns=end_ns) / 1e9,
        num_threads=len({load.thread for load in loads}),
        waits=[
            ImportWait(
                module=wait.name,
                thread=wait.thread,
                start_seconds=(wait.start_ns - spawn_ns) / 1e9,
                seconds=(wait.end_ns - wait.start_ns) / 1e9,
                importer=None if wait.by is None else Location(file=wait.by[0], line=wait.by[1]),
            )
            for wait in process.waits
            if wait.start_ns < end_ns
        ],
        deepest=1 + max(load.depth for load in loads),
    )


def _concurrent_ns(loads: Sequence[Load], *, end_ns: int) -> int:
    """Time in which at least two threads had a load in progress."""
    edges: list[tuple[int, int]] = []
    for thread in {load.thread for load in loads}:
        covered_ns = 0
        for load in sorted((load for load in loads if load.thread == thread), key=lambda load: load.start_ns):
            first_ns, last_ns = max(load.start_ns, covered_ns), min(load.end_ns, end_ns)
            if last_ns > first_ns:
                edges += [(first_ns, 1), (last_ns, -1)]
                covered_ns = last_ns
    total_ns = num_threads = before_ns = 0
    for at_ns, change in sorted(edges):
        if num_threads > 1:
            total_ns += at_ns - before_ns
        num_threads, before_ns = num_threads + change, at_ns
    return total_ns


def build_usage(process: ProcessRecords, *, spawn_ns: int, end_ns: int) -> list[MilestoneUsage]:
    """From mark to mark, up to `end_ns`: the first one tells of all since the process began."""
    usage: list[MilestoneUsage] = []
    before = [0, 0, 0, 0]
    cpu_before_ns = 0
    for mark in sorted(process.marks, key=lambda mark: mark.at_ns):
        counts = mark.attributes.get("usage")
        if counts is None or mark.at_ns > end_ns:
            continue
        cpu_ns = mark.attributes.get("cpu")
        minor, major, read, disk = (now - then for now, then in zip(counts, before, strict=True))
        usage.append(
            MilestoneUsage(
                mark=mark.name,
                at_seconds=(mark.at_ns - spawn_ns) / 1e9,
                minor_faults=minor,
                major_faults=major,
                read_bytes=read,
                disk_read_bytes=disk,
                cpu_seconds=None if cpu_ns is None else (cpu_ns - cpu_before_ns) / 1e9,
            )
        )
        before, cpu_before_ns = counts, cpu_ns or cpu_before_ns
    return usage
