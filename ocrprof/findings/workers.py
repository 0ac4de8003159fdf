"""`slow-workers` and `rank-skew`: what the other processes of a start hold it up by.

`slow-workers` is judged by the time in which a group's workers were on their way while nothing of the first batch was
there; its advice follows the part that took most of a worker's start. `rank-skew` by how far one rank is behind in one
phase, without the time that ranks wait for one another.
"""

from ocrprof.findings.judging import finding, place, start_seconds
from ocrprof.results.model import Finding, Location, Rank, Skew, StartupReport, WorkerGroup
from ocrprof.results.workers import order_of_starts, part_seconds
from ocrprof.units import format_seconds

_MIN_SECONDS = 0.2
_MIN_SHARE = 0.05
_MIN_SKEW_SHARE = 0.10
_MIN_UNEXPLAINED_SHARE = 0.20
_MIN_PART_SECONDS = 1e-3
_SERVER_SHARE = 0.5
_HELD_UP_SHARE = 0.5
_NUM_NAMES = 4


def slow_workers(report: StartupReport) -> list[Finding]:
    """One finding for each line that builds loaders whose workers take a large share of the start to be there."""
    of_seconds = start_seconds(report)
    by_line: dict[object, list[WorkerGroup]] = {}
    for group in report.workers:
        if group.first_batch_seconds is not None:
            line = group.created_at or group.iterated_at
            by_line.setdefault((group.rank, group.start_method, line and (line.file, line.line)), []).append(group)
    least = max(_MIN_SECONDS, _MIN_SHARE * of_seconds)
    return [
        _slow_groups(groups, report, of_seconds)
        for groups in by_line.values()
        if sum(group.starting_seconds for group in groups) >= least
    ]


def rank_skew(report: StartupReport) -> list[Finding]:
    """One finding for each phase in which a rank is far behind; with nothing found behind it, only if very far."""
    ranks = report.ranks
    if ranks is None or ranks.slowest is None:
        return []
    of_seconds = start_seconds(report)
    by_rank = {rank.rank: rank for rank in ranks.ranks}
    found = []
    for skew in ranks.skews:
        rank = by_rank[skew.slowest]
        explained = skew.cause is not None or (skew.phase == "launch" and rank.launched_by is not None)
        if skew.seconds >= max(_MIN_SECONDS, (_MIN_SKEW_SHARE if explained else _MIN_UNEXPLAINED_SHARE) * of_seconds):
            found.append(_skewed(skew, rank, report, of_seconds))
    return found


def _slow_groups(groups: list[WorkerGroup], report: StartupReport, of_seconds: float) -> Finding:
    group = max(groups, key=lambda one: one.starting_seconds)
    if group.server_seconds >= _SERVER_SHARE * group.starting_seconds:
        return _slow_server(group, of_seconds)
    parts = part_seconds(group)
    most = max(parts, key=lambda name: parts[name])
    before = (group.first_batch_seconds or 0.0) - group.start_seconds
    each = f"{group.num_workers} {group.start_method} workers × {format_seconds(parts[most])} of {_WORDS[most]}"
    order = f", started {order_of_starts(group)}" if len(group.workers) > 1 else ""
    return finding(
        "slow-workers",
        f"{each}{order}: {format_seconds(group.starting_seconds)} of the {format_seconds(before)} to the first batch",
        seconds=sum(one.starting_seconds for one in groups),
        of_seconds=of_seconds,
        location=group.created_at or group.iterated_at,
        evidence={
            "loaders": len(groups),
            "workers": group.num_workers,
            "start_method": group.start_method,
            **{f"{name}_seconds": seconds for name, seconds in parts.items() if seconds >= _MIN_PART_SECONDS},
            "packages": [part.name for part in group.packages[:_NUM_NAMES]],
        },
        advice=_advice(group, most, parts[most], cwd=report.target.cwd) + _why_in_turn(group),
    )


def _slow_server(group: WorkerGroup, of_seconds: float) -> Finding:
    server = format_seconds(group.server_seconds)
    return finding(
        "slow-workers",
        f"The fork server takes {server} to be ready before it starts the first of {group.num_workers} workers",
        seconds=group.server_seconds,
        of_seconds=of_seconds,
        location=group.created_at or group.iterated_at,
        evidence={"workers": group.num_workers, "start_method": group.start_method, "server": group.server_seconds},
        advice="The program waits while the server imports what it hands on. Start the server first thing under"
        ' `if __name__ == "__main__":`, by `multiprocessing.forkserver.ensure_running()` behind'
        " set_forkserver_preload: it then imports beside the program.",
    )


_WORDS = {
    "interpreter": "interpreter start",
    "imports": "imports",
    "main_module": "running the main module again",
    "unpickle": "unpickling",
    "init": "worker_init_fn",
}


def _advice(group: WorkerGroup, most: str, seconds: float, *, cwd: str) -> str:
    """The change that takes away what took most."""
    again = ", ".join(part.name for part in group.packages[:_NUM_NAMES])
    lines = _import_lines(group, cwd=cwd)
    each_epoch = (
        "" if group.persistent else " With persistent_workers=True it is at least paid once, not in every epoch."
    )
    if most == "imports" and group.start_method == "fork":
        return f"Each worker imports {again} itself: import it before the loader is iterated, and fork hands it on."
    if most == "imports" and group.start_method == "forkserver":
        return (
            f"Each worker imports {again} again{lines}: have the server import it once,"
            ' `torch.multiprocessing.set_forkserver_preload(["torch", …])` before the first loader, so that workers'
            f" are forked with it.{each_epoch}"
        )
    if most == "imports":
        return (
            f'Each worker imports {again} again{lines}. `multiprocessing_context="fork"` hands on what is loaded, if'
            ' nothing has started CUDA or threads before; "forkserver" with set_forkserver_preload imports it once.'
            ' What workers do not need belongs under `if __name__ == "__main__":` or into the functions that use it.'
            f"{each_epoch}"
        )
    if most == "main_module":
        rerun = [line for line in group.reruns if line.imports_seconds is None]
        named = ", ".join(str(line.location.line) for line in rerun[:_NUM_NAMES])
        of_file = place(Location(file=group.main_file or "?", line=0), cwd=cwd).rpartition(":")[0]
        which = f"Lines {named} of {of_file} run" if named else "The main module runs"
        return f'{which} again in each worker, {format_seconds(seconds)}: move them under `if __name__ == "__main__":`.'
    if most == "unpickle":
        return (
            f"The data set `{group.dataset}` is sent to each worker, which rebuilds it in {format_seconds(seconds)}:"
            " hold paths or a memory-mapped array rather than the data, and open what is large in `__getitem__`."
        )
    if most == "init":
        return f"`worker_init_fn` takes {format_seconds(seconds)} in each worker: do it once, before they are started."
    if group.start_method == "fork":
        return (
            f"A fork copies the page tables of the parent, which takes {format_seconds(seconds)} here: start the loader"
            f" before what is large is read, or use fewer than {group.num_workers} workers.{each_epoch}"
        )
    return (
        f"Starting an interpreter takes {format_seconds(seconds)} each: use fewer than {group.num_workers} workers, or"
        f' `multiprocessing_context="fork"`.{each_epoch}'
    )


def _why_in_turn(group: WorkerGroup) -> str:
    """Why no worker was started before the last one was there, where the parent was held up in starting it."""
    held_up = group.calling_seconds >= _HELD_UP_SHARE * group.starting_seconds
    if len(group.workers) < 2 or group.start_method == "fork" or not held_up:
        return ""
    if order_of_starts(group) != "one after another":
        return ""
    return (
        f" They start in turn because each has to take over its copy of `{group.dataset}` before the next is started,"
        " and the copy is more than a pipe holds (64 KiB): a lighter data set lets them start at once."
    )


def _import_lines(group: WorkerGroup, *, cwd: str) -> str:
    heavy = sorted((line for line in group.reruns if line.imports_seconds), key=lambda one: -(one.imports_seconds or 0))
    named = [place(line.location, cwd=cwd) for line in heavy[:2]]
    return f" (by {' and '.join(named)}, run again as `__mp_main__`)" if named else ""


def _skewed(skew: Skew, rank: Rank, report: StartupReport, of_seconds: float) -> Finding:
    phase = skew.phase.replace("_", " ")
    return finding(
        "rank-skew",
        f"Rank {skew.slowest} is {format_seconds(skew.seconds)} behind rank {skew.fastest} in {phase}",
        seconds=skew.seconds,
        of_seconds=of_seconds,
        location=skew.location,
        evidence={
            "phase": skew.phase,
            "cause": skew.cause or "",
            "ranks": [one.rank for one in report.ranks.ranks] if report.ranks else [],
            "waited_seconds": [
                round(sum(wait.seconds for wait in one.waits), 3)
                for one in (report.ranks.ranks if report.ranks else [])
            ],
        },
        advice=_skew_advice(skew, rank),
    )


def _skew_advice(skew: Skew, rank: Rank) -> str:
    if skew.phase == "launch" and rank.launched_by is not None:
        return (
            f"Rank {rank.launched_by} starts rank {rank.rank} only when it has come to `fit`, and rank {rank.rank} then"
            " runs the script from its first line: `torchrun --nproc-per-node` starts all ranks at once."
        )
    if skew.cause is not None:
        return (
            f"{skew.cause} takes rank {skew.slowest} that much longer, and the others wait for it: give all ranks the"
            " same work there, or let one do it before the ranks start."
        )
    return (
        "Nothing that was built or imported explains it: a rank short of processor time looks like this"
        " (OMP_NUM_THREADS × ranks above the cores, another program). Repeat it with --runs 5."
    )
