"""The DataLoader workers of a start, by the iterator that started them: what each did before its first batch."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from ocrprof.records import Load, ProcessRecords, Span
from ocrprof.results.constructions import location_of
from ocrprof.results.import_graph import top_level
from ocrprof.results.intervals import Interval, innermost, union_ns
from ocrprof.results.model import Location, Part, RerunLine, Worker, WorkerGroup

MAIN_MODULE = "__mp_main__"
"""What multiprocessing calls the main module in a child that runs it again."""

_FETCHING = "first_batch"
_MIN_PACKAGE_SHARE = 0.01
_ONE_AT_A_TIME = 1.25
_ALL_AT_ONCE_SHARE = 0.75
_PARTS = ("interpreter", "imports", "main_module", "unpickle", "worker_init")


def build_workers(records: Sequence[ProcessRecords], *, spawn_ns: int, end_ns: int) -> list[WorkerGroup]:
    """One group for each iterator with workers that was made before `end_ns`, in the order in which they were made."""
    by_pid = {one.pid: one for one in records}
    groups = [
        _group(parent, span, by_pid, spawn_ns=spawn_ns, end_ns=end_ns)
        for parent in records
        for span in parent.spans
        if span.name == "workers.start" and span.start_ns < end_ns
    ]
    return sorted(groups, key=lambda group: group.start_seconds)


def worker_pieces(process: ProcessRecords, *, end_ns: int) -> list[Interval]:
    """What a child of multiprocessing did up to `end_ns`, without gap; None where nothing is known."""
    claims = [Interval(load.start_ns, load.end_ns, "imports") for load in process.loads if load.thread == 0]
    begin_ns = min(process.start_ns, process.born_ns or process.start_ns)
    spans = {span.name: span for span in process.spans if span.thread == 0}
    work_ns, rerun = process.mark("process.begin"), spans.get("main_module")
    site_ns = process.mark("site.end")
    if site_ns is not None:
        begun_ns = min([site_ns, *(claim.start_ns for claim in claims)])
        claims.append(Interval(begin_ns, begun_ns, "interpreter"))
    if rerun is not None:
        claims.append(Interval(rerun.start_ns, rerun.end_ns, "main_module"))
        if work_ns is not None:
            claims.append(Interval(rerun.end_ns, work_ns, "unpickle"))
    for name, label in (("worker.init", "worker_init"), ("worker.first_batch", _FETCHING)):
        if name in spans:
            claims.append(Interval(spans[name].start_ns, spans[name].end_ns, label))
    return innermost(claims, start_ns=begin_ns, end_ns=end_ns)


def rerun_lines(source: str) -> dict[int, str]:
    """The top-level lines of a module that do something whenever it is run, with their first line of text.

    Definitions and constants are left out, as is what stands under `if __name__ == "__main__"`.
    """
    lines = source.splitlines()
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or _is_guard(statement):
            continue
        works = (ast.Call, ast.ListComp, ast.DictComp, ast.SetComp, ast.Import, ast.ImportFrom, ast.For, ast.While)
        if any(isinstance(node, works) for node in ast.walk(statement)):
            found[statement.lineno] = lines[statement.lineno - 1].strip()
    return found


def with_rerun_lines(group: WorkerGroup, source: str) -> WorkerGroup:
    """The group with every line of its main file that its workers ran again: beside the imports what is not one."""
    if group.main_file is None:
        return group
    imported = {line.location.line: line.imports_seconds for line in group.reruns}
    reruns = [
        RerunLine(location=Location(file=group.main_file, line=line), text=text, imports_seconds=imported.get(line))
        for line, text in rerun_lines(source).items()
        # An import without a load was of something that was there already, and took no time.
        if line in imported or not text.startswith(("import ", "from "))
    ]
    return group.model_copy(update={"reruns": reruns})


def part_seconds(group: WorkerGroup) -> dict[str, float]:
    """The parts of a worker's start: medians over those that were ready in time, over all where none was."""
    seen = [worker for worker in group.workers if worker.ready_seconds is not None] or group.workers
    if not seen:
        return {}
    return {
        "interpreter": median(worker.interpreter_seconds for worker in seen),
        "imports": median(worker.imports_seconds for worker in seen),
        "main_module": median(worker.main_module_seconds for worker in seen),
        "unpickle": median(worker.unpickle_seconds for worker in seen),
        "init": median(worker.init_seconds for worker in seen),
    }


def order_of_starts(group: WorkerGroup) -> str:
    """`one after another`, `all at once` or how many at a time; empty for a single worker."""
    if len(group.workers) < 2:
        return ""
    if group.num_at_once <= _ONE_AT_A_TIME:
        return "one after another"
    together = group.num_at_once >= _ALL_AT_ONCE_SHARE * len(group.workers)
    return "all at once" if together else f"{group.num_at_once:.1f} at a time"


def _is_guard(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


def _group(
    parent: ProcessRecords, span: Span, by_pid: Mapping[int, ProcessRecords], *, spawn_ns: int, end_ns: int
) -> WorkerGroup:
    starts = [
        one
        for one in parent.spans
        if one.name == "process.start" and span.start_ns <= one.start_ns and one.end_ns <= span.end_ns
    ]
    first_batch_ns = _first_batch(parent, span)
    limit_ns = min(end_ns, first_batch_ns or end_ns)
    children = [by_pid.get(one.attributes.get("pid", 0)) for one in starts]
    recorded = [child for child in children if child is not None]
    server = _server(recorded, by_pid, start_method=str(span.attributes.get("start_method")))
    workers = [_worker(one, child, server, spawn_ns, end_ns) for one, child in zip(starts, children, strict=True)]
    ways = [_way(worker, spawn_ns, limit_ns) for worker in workers]
    starting_ns = union_ns(ways, start_ns=span.start_ns, end_ns=limit_ns)
    clipped_ns = sum(union_ns([way], start_ns=span.start_ns, end_ns=limit_ns) for way in ways)
    return WorkerGroup(
        start_method=str(span.attributes.get("start_method")),
        num_workers=int(span.attributes.get("num_workers") or len(workers)),
        dataset=str(span.attributes.get("dataset")),
        persistent=bool(span.attributes.get("persistent")),
        parent_pid=parent.pid,
        rank=parent.rank,
        created_at=_created_at(parent, span),
        iterated_at=location_of(span.loc),
        start_seconds=(span.start_ns - spawn_ns) / 1e9,
        calling_seconds=(span.end_ns - span.start_ns) / 1e9,
        first_batch_seconds=None if first_batch_ns is None else (first_batch_ns - spawn_ns) / 1e9,
        starting_seconds=starting_ns / 1e9,
        server_seconds=union_ns(server, start_ns=span.start_ns, end_ns=limit_ns) / 1e9,
        num_at_once=clipped_ns / starting_ns if starting_ns else 1.0,
        packages=_packages(recorded, end_ns),
        main_file=_main_file(recorded),
        reruns=_imports_of_main(recorded),
        workers=workers,
    )


def _way(worker: Worker, spawn_ns: int, limit_ns: int) -> Interval:
    """From the start of a worker until it was ready; to the end of what is looked at if that was not seen."""
    ready_ns = limit_ns if worker.ready_seconds is None else spawn_ns + round(worker.ready_seconds * 1e9)
    return Interval(spawn_ns + round(worker.start_seconds * 1e9), ready_ns, "starting")


def _server(
    children: Sequence[ProcessRecords], by_pid: Mapping[int, ProcessRecords], *, start_method: str
) -> list[Interval]:
    """The start of the process that forked these, up to its last load on its own; none where no server did it."""
    server = by_pid.get(children[0].parent_pid) if children and start_method == "forkserver" else None
    if server is None:
        return []
    begin_ns = min(server.start_ns, server.born_ns or server.start_ns)
    ready_ns = [load.end_ns for load in server.loads if load.thread == 0]
    return [Interval(begin_ns, max([server.mark("site.end") or begin_ns, *ready_ns]), "server")]


def _worker(
    start: Span, child: ProcessRecords | None, server: Sequence[Interval], spawn_ns: int, end_ns: int
) -> Worker:
    """What is known of one worker; of one that never came to its recorder only that it was started."""
    pid, start_seconds = int(start.attributes.get("pid") or 0), (start.start_ns - spawn_ns) / 1e9
    if child is None or child.start_ns >= end_ns:
        return Worker(pid=pid, index=None, start_seconds=start_seconds)
    ready = next((mark for mark in child.marks if mark.name == "worker.ready"), None)
    fetch = next((span for span in child.spans if span.name == "worker.first_batch"), None)
    init = next((span for span in child.spans if span.name == "worker.init"), None)
    ready_ns = init.end_ns if init is not None else ready.at_ns if ready is not None else None
    ends_ns = (ready_ns, fetch.start_ns if fetch is not None else None, end_ns)
    limit_ns = min(one for one in ends_ns if one is not None)
    parts = dict.fromkeys(_PARTS, 0)
    for piece in worker_pieces(child, end_ns=limit_ns):
        if piece.label in parts:
            # The kernel tells a birth in steps of 10 ms: it can seem to come before the call that it followed.
            parts[piece.label] += max(0, piece.end_ns - max(piece.start_ns, start.start_ns))
    born_ns = min(child.start_ns, child.born_ns or child.start_ns)
    by_server_ns = union_ns(server, start_ns=start.start_ns, end_ns=born_ns)
    asked_ns = max(born_ns - start.start_ns, 0) - by_server_ns
    return Worker(
        pid=pid,
        index=ready.attributes.get("worker") if ready is not None else None,
        start_seconds=start_seconds,
        ready_seconds=_moment(ready_ns, spawn_ns, end_ns),
        first_batch_seconds=_moment(fetch.end_ns if fetch is not None else None, spawn_ns, end_ns),
        interpreter_seconds=(parts["interpreter"] + asked_ns) / 1e9,
        imports_seconds=parts["imports"] / 1e9,
        main_module_seconds=parts["main_module"] / 1e9,
        unpickle_seconds=parts["unpickle"] / 1e9,
        init_seconds=parts["worker_init"] / 1e9,
        fetch_seconds=None if fetch is None else (fetch.end_ns - fetch.start_ns) / 1e9,
        num_loads=len(child.loads),
    )


def _moment(at_ns: int | None, spawn_ns: int, end_ns: int) -> float | None:
    return None if at_ns is None or at_ns > end_ns else (at_ns - spawn_ns) / 1e9


def _first_batch(parent: ProcessRecords, start: Span) -> int | None:
    """When the parent had the first batch of this iterator: its first fetch that ended after the workers' start."""
    later = [one.start_ns for one in parent.spans if one.name == "workers.start" and one.start_ns > start.start_ns]
    fetches = [
        one
        for one in parent.spans
        if one.name == "fetch"
        and one.attributes.get("n") == 0
        and one.attributes.get("num_workers")
        and one.end_ns >= start.end_ns
        and one.start_ns < min(later, default=one.end_ns)
    ]
    return min((one.end_ns for one in fetches), default=None)


def _created_at(parent: ProcessRecords, start: Span) -> Location | None:
    """The line that first built a loader like this one: Lightning builds its own after the program's."""
    same = ("num_workers", "dataset", "datasets", "batch_size")
    built = [
        one
        for one in parent.spans
        if one.name == "dataloader.init"
        and one.start_ns < start.start_ns
        and all(one.attributes.get(name) == start.attributes.get(name) for name in same)
    ]
    first = min(built, key=lambda one: one.start_ns, default=None)
    return location_of(first.loc) if first is not None else None


def _packages(children: Sequence[ProcessRecords], end_ns: int) -> list[Part]:
    """Self seconds by package, of those that matter: the median of the workers, one of which may have been cut off."""
    by_child = [_seconds_by_package(load for load in one.loads if load.start_ns < end_ns) for one in children]
    names = {name for seconds in by_child for name in seconds}
    parts = [Part(name=name, seconds=median(of_child.get(name, 0.0) for of_child in by_child)) for name in names]
    enough = _MIN_PACKAGE_SHARE * sum(part.seconds for part in parts)
    return sorted((part for part in parts if part.seconds > enough), key=lambda part: (-part.seconds, part.name))


def _seconds_by_package(loads: Iterable[Load]) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for load in loads:
        if load.thread == 0:
            package = top_level(load.name)
            seconds[package] = seconds.get(package, 0.0) + load.self_ns / 1e9
    return seconds


def _main_file(children: Sequence[ProcessRecords]) -> str | None:
    for child in children:
        for span in child.spans:
            if span.name == "main_module" and span.attributes.get("path"):
                return str(span.attributes["path"])
        for load in child.loads:
            if load.by_module == MAIN_MODULE and load.by is not None:
                return load.by[0]
    return None


def _imports_of_main(children: Sequence[ProcessRecords]) -> list[RerunLine]:
    """The lines of the main module that loaded something: the median of the workers, in the order of the file."""
    by_child: list[dict[tuple[str, int], float]] = []
    for child in children:
        seconds: dict[tuple[str, int], float] = {}
        for load in child.loads:
            if load.by_module == MAIN_MODULE and load.by is not None and load.depth == 0:
                seconds[load.by] = seconds.get(load.by, 0.0) + (load.end_ns - load.start_ns) / 1e9
        by_child.append(seconds)
    lines = sorted({line for seconds in by_child for line in seconds})
    return [
        RerunLine(
            location=Location(file=file, line=line),
            text="",
            imports_seconds=median(seconds.get((file, line), 0.0) for seconds in by_child),
        )
        for file, line in lines
    ]
