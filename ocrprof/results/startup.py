"""One run, and the tables of a start, from the records of its processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from ocrprof.records import End, ProcessRecords
from ocrprof.results.access import build_file_access, build_file_scans, build_network
from ocrprof.results.constructions import build_constructions
from ocrprof.results.hydra import build_hydra
from ocrprof.results.import_graph import import_rows, package_rows
from ocrprof.results.instantiations import build_instantiations
from ocrprof.results.mask import mask_argv, mask_text
from ocrprof.results.model import (
    PHASES,
    Construction,
    FileAccess,
    FileScan,
    HydraFigures,
    ImportConditions,
    ImportRow,
    Instantiation,
    MilestoneUsage,
    NetworkWait,
    Observer,
    PackageRow,
    Phase,
    Process,
    ProcessImports,
    RankFigures,
    Run,
    RunStatus,
    Segment,
    WorkerGroup,
)
from ocrprof.results.phases import Timeline, attribute, failing_phase, ranks_of
from ocrprof.results.process_imports import build_import_conditions, build_process_imports, build_usage
from ocrprof.results.ranks import build_ranks
from ocrprof.results.summary import is_measured
from ocrprof.results.timelines import build_timeline
from ocrprof.results.workers import build_workers


def build_run(
    records: Sequence[ProcessRecords],
    *,
    spawn_ns: int,
    end_ns: int,
    exit_code: int | None,
    until: str,
    status: RunStatus,
    warmup: bool = False,
    stderr_tail: Sequence[str] = (),
    cpu_seconds: float | None = None,
) -> Run:
    """The run that these records tell of. `end_ns` is when the parent saw that the target was gone."""
    timeline = attribute(records, spawn_ns=spawn_ns, end_ns=end_ns, until=until, status=status, stderr_tail=stderr_tail)
    broke_off = status in ("crashed", "timed_out", "interrupted")
    return Run(
        wall_seconds=(timeline.end_ns - spawn_ns) / 1e9,
        exit_code=exit_code,
        until=until,
        status=status,
        reached=status == "reached",
        warmup=warmup,
        phases=_phases(timeline),
        processes=[_process(one, timeline) for one in records],
        failing_phase=failing_phase(timeline, stderr_tail=stderr_tail) if broke_off else None,
        failing_rank=timeline.main.rank if broke_off and timeline.main is not None and ranks_of(records) else None,
        stderr_tail=[mask_text(line) for line in stderr_tail],
        imports_anywhere_seconds=timeline.loading_ns() / 1e9,
        cpu_seconds=cpu_seconds,
    )


@dataclass(frozen=True)
class StartupTables:
    """What one run did on its way: its timeline of all processes, the others of its main process."""

    timeline: list[Segment] = field(default_factory=list)
    imports: list[ImportRow] = field(default_factory=list)
    packages: list[PackageRow] = field(default_factory=list)
    instantiations: list[Instantiation] = field(default_factory=list)
    constructions: list[Construction] = field(default_factory=list)
    import_conditions: ImportConditions | None = None
    process_imports: list[ProcessImports] = field(default_factory=list)
    usage: list[MilestoneUsage] = field(default_factory=list)
    inserted_modules: list[str] = field(default_factory=list)
    hydra: HydraFigures | None = None
    file_access: list[FileAccess] = field(default_factory=list)
    file_scans: list[FileScan] = field(default_factory=list)
    network: list[NetworkWait] = field(default_factory=list)
    workers: list[WorkerGroup] = field(default_factory=list)
    ranks: RankFigures | None = None

    def as_fields(self) -> dict[str, Any]:  # Any: rows of several kinds
        """By the names that a StartupReport has for them."""
        return dict(vars(self))


def build_tables(
    records: Sequence[ProcessRecords],
    *,
    spawn_ns: int,
    end_ns: int,
    until: str,
    status: str,
    stderr_tail: Sequence[str] = (),
) -> StartupTables:
    """The tables of a run, of all that began before its milestone; empty where nothing was recorded."""
    timeline = attribute(records, spawn_ns=spawn_ns, end_ns=end_ns, until=until, status=status, stderr_tail=stderr_tail)
    main = timeline.main
    if main is None:
        return StartupTables()
    window = {"spawn_ns": spawn_ns, "end_ns": timeline.end_ns}
    imports = import_rows(main.loads, pid=main.pid, phase_at=timeline.phase_at, **window)
    return StartupTables(
        timeline=build_timeline(timeline, records, until=until, status=status),
        imports=imports,
        packages=package_rows(imports),
        instantiations=build_instantiations(main, **window),
        constructions=build_constructions(main, phase_at=timeline.phase_at, **window),
        import_conditions=build_import_conditions(main, **window),
        process_imports=build_process_imports(records, **window),
        usage=build_usage(main, **window),
        inserted_modules=sorted(main.inserted),
        hydra=build_hydra(main, **window),
        file_access=build_file_access(main),
        file_scans=build_file_scans(main, spawn_ns=spawn_ns),
        network=build_network(main),
        workers=build_workers(records, **window),
        ranks=build_ranks(records, spawn_ns=spawn_ns, end_ns=end_ns, until=until, status=status),
    )


def observe(records: Sequence[ProcessRecords]) -> Observer:
    """What recording one run cost. A process that was killed did not get to say what its hooks cost: that is noted."""
    ends = [process.end for process in records if process.end is not None]
    notes = list(dict.fromkeys(note for process in records for note in process.notes))
    # Workers are always ended by others; what matters is whether a program of its own got to its last record.
    killed = [process.pid for process in records if process.end is None and process.role in ("main", "rank")]
    if killed:
        notes.append(f"{len(killed)} processes were killed before they could tell what their hooks cost")
    num_unreadable = sum(process.num_unreadable for process in records)
    if num_unreadable:
        notes.append(f"{num_unreadable} records were torn or unreadable")
    return Observer(
        records=sum(process.num_records for process in records),
        dropped=sum(end.dropped for end in ends),
        cost_seconds=sum(end.cost_ns for end in ends) / 1e9,
        num_loads=sum(end.costs.get("loads", 0) for end in ends),
        load_seconds=_mean_cost(ends, "load"),
        other_seconds=_mean_cost(ends, "other"),
        timed_seconds=sum(end.costs.get(name, 0) for end in ends for name in ("start", "hooks", "writes")) / 1e9,
        notes=notes,
    )


def _mean_cost(ends: Sequence[End], kind: str) -> float:
    """Seconds of one record, over all of its kind in all processes."""
    return _mean((end.costs.get(kind + "s", 0), end.costs.get(kind, 0) / 1e9) for end in ends)


def _mean(counted: Iterable[tuple[int, float]]) -> float:
    """Of values, each with how often it counts."""
    pairs = list(counted)
    total = sum(count for count, _ in pairs)
    return sum(count * value for count, value in pairs) / total if total else 0.0


def combine_observers(observers: Iterable[Observer]) -> Observer:
    """The cost of several runs together; what was noted more than once is said once."""
    all_of = list(observers)
    return Observer(
        records=sum(one.records for one in all_of),
        dropped=sum(one.dropped for one in all_of),
        cost_seconds=sum(one.cost_seconds for one in all_of),
        num_loads=sum(one.num_loads for one in all_of),
        load_seconds=_mean((one.num_loads, one.load_seconds) for one in all_of),
        other_seconds=_mean((one.records - one.num_loads, one.other_seconds) for one in all_of),
        timed_seconds=sum(one.timed_seconds for one in all_of),
        notes=list(dict.fromkeys(note for one in all_of for note in one.notes)),
    )


def representative(runs: Sequence[Run]) -> int | None:
    """Index of the run whose tables stand for all: the measured one nearest to the median, else the last recorded."""
    measured = [index for index, run in enumerate(runs) if is_measured(run)]
    if measured:
        middle = median(runs[index].wall_seconds for index in measured)
        return min(measured, key=lambda index: abs(runs[index].wall_seconds - middle))
    return max((index for index, run in enumerate(runs) if run.processes), default=None)


def _phases(timeline: Timeline) -> list[Phase]:
    """Those that took time, and `unattributed` even where it took none."""
    nanoseconds = {"unattributed": 0, **timeline.nanoseconds()}
    return [Phase(name=name, seconds=nanoseconds[name] / 1e9) for name in PHASES if name in nanoseconds]


def _process(process: ProcessRecords, timeline: Timeline) -> Process:
    roles: dict[str, Literal["main", "worker", "rank", "launcher", "helper"]] = {
        "main": "main",
        "worker": "worker",
        "rank": "rank",
        "helper": "helper",
    }
    # A rank that starts the others is a rank itself.
    is_launcher = process.role != "rank" and any(process is one for one in timeline.lane[:-1])
    return Process(
        pid=process.pid,
        parent_pid=process.parent_pid,
        role="launcher" if is_launcher else roles.get(process.role, "helper"),
        rank=process.rank if process.role == "rank" else None,
        argv=mask_argv(process.argv),
        start_seconds=(process.start_ns - timeline.spawn_ns) / 1e9,
        end_seconds=None if process.end is None else (process.end.at_ns - timeline.spawn_ns) / 1e9,
        num_loads=len(process.loads),
    )
