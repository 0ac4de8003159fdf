"""Several ranks side by side: the phases of each, how long each waited for the others, and who held them up.

Ranks meet in collectives, and the quicker ones wait there: a rank that is late makes the others' phases longer, not
only its own. So the waiting is taken off, from a rank's arrival at a collective to that of the last rank, before
phases are compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocrprof.records import ProcessRecords
from ocrprof.results.collectives import Waiting, waiting
from ocrprof.results.constructions import build_constructions
from ocrprof.results.import_graph import top_level
from ocrprof.results.model import PHASES, Construction, Location, Phase, Rank, RankFigures, RankWait, Skew
from ocrprof.results.phases import Timeline, attribute, failing_phase, ranks_of

LAUNCH = "launch"
"""The phase of a rank before its own process: its launcher, or the rank that started it."""

_MIN_SKEW_SECONDS = 1e-3
_CAUSE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One rank's records, with the timeline in which it is the main process."""

    rank: int
    process: ProcessRecords
    timeline: Timeline


def build_ranks(
    records: Sequence[ProcessRecords], *, spawn_ns: int, end_ns: int, until: str, status: str
) -> RankFigures | None:
    """The ranks of a run that ended at `end_ns` with `status`; None where there are not several."""
    ranks = [_recorded(one, records, spawn_ns, end_ns, until, status) for one in ranks_of(records)]
    if not ranks:
        return None
    waits = waiting([one.process for one in ranks])
    rows = [_row(one, waits[one.rank], ranks, until=until, status=status) for one in ranks]
    complete = all(row.reached for row in rows)
    work = {row.rank: row.seconds - sum(wait.seconds for wait in row.waits) for row in rows}
    return RankFigures(
        world_size=max(one.process.world_size for one in ranks),
        slowest=max(work, key=lambda rank: work[rank]) if complete else None,
        ranks=rows,
        skews=_skews(ranks, rows, spawn_ns) if complete else [],
    )


def _recorded(
    process: ProcessRecords, records: Sequence[ProcessRecords], spawn_ns: int, end_ns: int, until: str, status: str
) -> _Recorded:
    """A rank that came to its milestone is told up to it, also where the run failed because of another one."""
    if process.milestones:
        status = "reached"
    elif process.end is not None:
        end_ns = min(end_ns, process.end.at_ns)
    timeline = attribute(records, spawn_ns=spawn_ns, end_ns=end_ns, until=until, status=status, main=process)
    return _Recorded(process.rank or 0, process, timeline)


def _row(one: _Recorded, waits: Iterable[Waiting], ranks: Sequence[_Recorded], *, until: str, status: str) -> Rank:
    reached = bool(one.process.milestones) or (until == "exit" and status == "reached")
    broke_ns = one.process.mark("exit.begin")
    nanoseconds = _own_nanoseconds(one)
    return Rank(
        rank=one.rank,
        pid=one.process.pid,
        launched_by=next((other.rank for other in ranks if other.process.pid == one.process.parent_pid), None),
        seconds=(one.timeline.end_ns - one.timeline.spawn_ns) / 1e9,
        reached=reached,
        stopped_in=None if reached else failing_phase(one.timeline, stderr_tail=()),
        ended_by_itself=not reached and broke_ns is not None,
        phases=[Phase(name=name, seconds=nanoseconds[name] / 1e9) for name in (LAUNCH, *PHASES) if name in nanoseconds],
        waits=_rank_waits(one, waits),
    )


def _own_nanoseconds(one: _Recorded) -> dict[str, int]:
    """Time by phase of the rank's own process, behind that of its launch."""
    begin_ns = min(one.process.start_ns, one.timeline.end_ns)
    totals = {LAUNCH: begin_ns - one.timeline.spawn_ns}
    for piece in one.timeline.segments:
        nanoseconds = piece.end_ns - max(piece.start_ns, begin_ns)
        if nanoseconds > 0:
            name = piece.label or "unattributed"
            totals[name] = totals.get(name, 0) + nanoseconds
    return totals


def _rank_waits(one: _Recorded, stays: Iterable[Waiting]) -> list[RankWait]:
    """The longest first: by collective, by phase and by the rank that was waited for."""
    found: dict[tuple[str, str, int], int] = {}
    for stay in stays:
        for segment in one.timeline.segments:
            nanoseconds = min(stay.end_ns, segment.end_ns) - max(stay.start_ns, segment.start_ns)
            if nanoseconds > 0:
                entry = (stay.at, segment.label or "unattributed", stay.last_rank)
                found[entry] = found.get(entry, 0) + nanoseconds
    rows = [
        RankWait(at=at, phase=phase, seconds=nanoseconds / 1e9, last_rank=rank)
        for (at, phase, rank), nanoseconds in found.items()
    ]
    return sorted(rows, key=lambda wait: -wait.seconds)


def _skews(ranks: Sequence[_Recorded], rows: Sequence[Rank], spawn_ns: int) -> list[Skew]:
    busy = {row.rank: _busy_seconds(row) for row in rows}
    by_rank = {one.rank: one for one in ranks}
    skews = []
    for phase in {phase for seconds in busy.values() for phase in seconds}:
        seconds = {rank: of_rank.get(phase, 0.0) for rank, of_rank in busy.items()}
        slowest, fastest = max(seconds, key=lambda rank: seconds[rank]), min(seconds, key=lambda rank: seconds[rank])
        behind = seconds[slowest] - seconds[fastest]
        if behind < _MIN_SKEW_SECONDS:
            continue
        cause, location = _cause(phase, behind, by_rank[slowest], by_rank[fastest], spawn_ns)
        skews.append(
            Skew(phase=phase, seconds=behind, slowest=slowest, fastest=fastest, cause=cause, location=location)
        )
    return sorted(skews, key=lambda skew: -skew.seconds)


def _busy_seconds(row: Rank) -> dict[str, float]:
    """Seconds by phase without those in which the rank waited for others."""
    seconds = {phase.name: phase.seconds for phase in row.phases}
    for wait in row.waits:
        seconds[wait.phase] = seconds.get(wait.phase, 0.0) - wait.seconds
    return seconds


def _cause(
    phase: str, behind: float, slow: _Recorded, fast: _Recorded, spawn_ns: int
) -> tuple[str | None, Location | None]:
    """The construction, or the package, that took the slow rank the most longer; none where it is less than half."""
    if phase == "imports":
        seconds, other = _by_package(slow.process), _by_package(fast.process)
        longer = {name: seconds[name] - other.get(name, 0.0) for name in seconds}
        name = max(longer, key=lambda package: longer[package], default=None)
        enough = name is not None and longer[name] >= _CAUSE_SHARE * behind
        return (f"import {name}", None) if enough else (None, None)
    built, others = _built(slow, phase, spawn_ns), _built(fast, phase, spawn_ns)
    differences = {
        key: one.self_seconds - (others[key].self_seconds if key in others else 0.0) for key, one in built.items()
    }
    key = max(differences, key=lambda one: differences[one], default=None)
    if key is None or differences[key] < _CAUSE_SHARE * behind:
        return None, None
    one = built[key]
    return (one.kind if one.name == one.kind else f"{one.kind} {one.name.rpartition('.')[2]}"), one.location


def _by_package(process: ProcessRecords) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for load in process.loads:
        if load.thread == 0:
            seconds[top_level(load.name)] = seconds.get(top_level(load.name), 0.0) + load.self_ns / 1e9
    return seconds


def _built(one: _Recorded, phase: str, spawn_ns: int) -> dict[tuple[str, str, int], Construction]:
    """What a rank built in a phase, by kind, name and number."""
    counts: dict[tuple[str, str], int] = {}
    built = {}
    rows = build_constructions(
        one.process, spawn_ns=spawn_ns, end_ns=one.timeline.end_ns, phase_at=one.timeline.phase_at
    )
    for row in rows:
        number = counts[row.kind, row.name] = counts.get((row.kind, row.name), -1) + 1
        if row.phase == phase:
            built[row.kind, row.name, number] = row
    return built
