"""One run as lanes: each recorded process, in it its threads and its marks, and the phases beside the main process."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from ocrprof.records import Load, Mark, Open, ProcessRecords, Span
from ocrprof.results.intervals import Interval
from ocrprof.results.mask import mask_argv, mask_config
from ocrprof.results.phases import PHASE_OF_SPAN, Timeline, ranks_of
from ocrprof.results.timelines import rank_timeline
from ocrprof.results.workers import worker_pieces
from ocrprof.trace.nesting import Slice, nest

PHASES_THREAD = -1
"""The thread number of the lane that holds no thread but the phases of the run."""


@dataclass(frozen=True, slots=True)
class Thread:
    """One thread's slices, properly nested, each behind the one that holds it. 0 is the main thread."""

    number: int
    name: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One recorded process. `title` says what it was: `worker 4711`."""

    pid: int
    title: str
    command: str
    threads: tuple[Thread, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Lanes:
    """A whole run; times in ns of the clock on which it was spawned at `spawn_ns`. The main process comes first."""

    spawn_ns: int
    lanes: tuple[Lane, ...]
    num_slices: int
    num_cut: int
    num_dropped: int


def build_lanes(records: Sequence[ProcessRecords], timeline: Timeline, *, until: str, status: str) -> Lanes:
    """The lanes of these processes; how many slices had to be cut or left out so that all of them nest is counted."""
    lanes, num_cut, num_dropped = [], 0, 0
    first = timeline.lane[-1:] + timeline.lane[:-1]
    ordered = [*first, *(one for one in records if not any(one is own for own in first))]
    for process in ordered:
        threads: list[Thread] = []
        phases = tuple(_phase_slices(process, records, timeline, until, status))
        if phases:
            threads.append(Thread(PHASES_THREAD, "phases", phases))
        for number, name, slices in _threads(process, timeline):
            nested = nest(slices)
            threads.append(Thread(number, name, nested.slices))
            num_cut += nested.num_cut
            num_dropped += nested.num_dropped
        lanes.append(_lane(process, threads))
    return Lanes(
        spawn_ns=timeline.spawn_ns,
        lanes=tuple(lanes),
        num_slices=sum(len(thread.slices) for lane in lanes for thread in lane.threads),
        num_cut=num_cut,
        num_dropped=num_dropped,
    )


def _lane(process: ProcessRecords, threads: Iterable[Thread]) -> Lane:
    numbers = [mark.attributes.get("worker") for mark in process.marks if mark.name == "worker.ready"]
    number = numbers[0] if numbers else process.rank if process.role == "rank" else None
    of_rank = f" of rank {process.rank}" if process.role != "rank" and process.rank is not None else ""
    return Lane(
        pid=process.pid,
        title=f"{process.role}{'' if number is None else f' {number}'}{of_rank} · pid {process.pid}",
        command=" ".join(mask_argv(process.argv)),
        threads=tuple(threads),
        marks=tuple(sorted((*process.marks, *process.milestones), key=lambda mark: mark.at_ns)),
    )


def _phase_slices(
    process: ProcessRecords, records: Sequence[ProcessRecords], timeline: Timeline, until: str, status: str
) -> Iterator[Slice]:
    """The phases of the main process; of a rank its own from its start on; of a worker what it did before work."""
    if process is timeline.main:
        for one in timeline.segments:
            yield Slice(one.label or "unattributed", "phase", one.start_ns, one.end_ns)
        return
    pieces: Sequence[Interval] = ()
    if any(process is rank for rank in ranks_of(records)):
        pieces = rank_timeline(process, records, timeline, until=until, status=status).segments
    elif process.role == "worker":
        pieces = worker_pieces(process, end_ns=_last_moment(process, timeline))
    for one in pieces:
        if one.label is not None and one.end_ns > process.start_ns:
            # Of another category than those of the run, which add up to it.
            yield Slice(one.label, "part", max(one.start_ns, process.start_ns), one.end_ns)


def _threads(process: ProcessRecords, timeline: Timeline) -> Iterator[tuple[int, str, list[Slice]]]:
    """(number, name, slices) of each thread that recorded anything; the main one holds the process's whole life."""
    by_thread: dict[int, list[Slice]] = {0: []}
    end_ns = _last_moment(process, timeline)
    for span in process.spans:
        by_thread.setdefault(span.thread, []).append(_of_span(span))
    for load in process.loads:
        by_thread.setdefault(load.thread, []).append(_of_load(load))
    for one in process.open:
        by_thread.setdefault(one.thread, []).append(_of_open(one, end_ns))
    by_thread[0].insert(0, _life(process, end_ns))
    # Thread identifiers are addresses: numbered in the order in which the threads were first seen.
    others = sorted(by_thread.keys() - {0}, key=lambda thread: min(one.start_ns for one in by_thread[thread]))
    yield 0, "main thread", by_thread[0]
    for number, thread in enumerate(others, start=1):
        yield number, f"thread {number}", by_thread[thread]


def _last_moment(process: ProcessRecords, timeline: Timeline) -> int:
    """When the process ended. Of one that was killed that is not known: not before its last record or the run's end."""
    moments = [process.start_ns, process.end.at_ns if process.end is not None else timeline.end_ns]
    moments += [span.end_ns for span in process.spans] + [load.end_ns for load in process.loads]
    return max(moments)


def _life(process: ProcessRecords, end_ns: int) -> Slice:
    program = PurePath(process.argv[0]).name if process.argv else "python"
    ended = "killed, or still running at the end" if process.end is None else process.end.reason
    return Slice(f"{process.role}: {program}", "process", process.start_ns, end_ns, {"ended": ended})


def _of_span(span: Span) -> Slice:
    file, line = span.loc or (None, None)
    category = PHASE_OF_SPAN.get(span.name, "span")
    arguments = mask_config({key: value for key, value in span.attributes.items() if key != "nested"})
    return Slice(_title(span), category, span.start_ns, span.end_ns, arguments, file, line)


def _title(span: Span | Open) -> str:
    """`instantiate DBNet`, `train.batch 3`, `fetch`."""
    subject = span.attributes.get("target") or span.attributes.get("class") or span.attributes.get("op")
    if subject:
        return f"{span.name} {str(subject).rpartition('.')[2]}"
    return f"{span.name} {span.attributes['i']}" if "i" in span.attributes else span.name


def _of_load(load: Load) -> Slice:
    arguments = {
        "self_us": load.self_ns // 1000,
        "kind": load.kind,
        "route": load.route,
        "imported_by": None if load.by is None else f"{load.by_module or '?'} ({load.by[0]}:{load.by[1]})",
        "error": None if load.ok else load.error or "failed",
    }
    known = {name: value for name, value in arguments.items() if value is not None}
    return Slice(f"import {load.name}", "import", load.start_ns, load.end_ns, known, load.file)


def _of_open(one: Open, end_ns: int) -> Slice:
    file, line = one.loc or (None, None)
    name, category = (f"import {one.name}", "import") if one.is_load else (_title(one), "span")
    return Slice(name, category, one.start_ns, end_ns, {"unfinished": True}, file, line)
