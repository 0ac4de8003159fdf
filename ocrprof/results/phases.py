"""The phases of one run: exclusive pieces of the time from spawn to the end that add up to it, in whole nanoseconds.

At each moment the innermost phase-bearing span on the main thread of the main process decides; innermost is the one
that began last, so spans that do not nest properly cannot be counted twice. A load outside every one is `imports`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ocrprof.records import Open, ProcessRecords, Span
from ocrprof.results.collectives import waiting
from ocrprof.results.intervals import Interval, innermost, piece_at, union_ns

PHASE_OF_SPAN: dict[str, str] = {
    "hydra.main": "config",
    "hydra.compose": "config",
    "hydra.plugins": "config",
    "omegaconf": "config",
    "dataset.init": "data",
    "datamodule.init": "data",
    "data.prepare": "data",
    "data.setup": "data",
    "dataloader.init": "data",
    "model.init": "model",
    "configure_optimizers": "model",
    "compile": "model",
    "logger.init": "loggers",
    "wandb.init": "loggers",
    "trainer.init": "trainer",
    "trainer.run": "trainer",
    "workers.start": "workers",
    "sanity_check": "sanity_check",
}
"""Which phase a span's own time belongs to; spans that are not named here decide nothing."""

_CANCELS = "program"
"""The task function of `hydra.main`: time directly in it is not the configuration's, and not known to be anything's."""

_ROOT_CAUSE = re.compile(r"Root Cause \(first observed failure\):.*?\(pid: (?P<pid>\d+)\)", re.DOTALL)
"""What torchrun says last of the rank that failed first: it saw the ranks end, which a killed one cannot tell."""

_PROGRESS = ("config", "model", "first-batch", "first-step", "train.end")


@dataclass(frozen=True, slots=True)
class Timeline:
    """One run's time, cut into phases without gap or overlap. `lane`: its launchers, then the main process."""

    spawn_ns: int
    end_ns: int
    segments: tuple[Interval, ...]
    lane: tuple[ProcessRecords, ...]

    @property
    def main(self) -> ProcessRecords | None:
        """The process whose progress was timed; None where nothing was recorded."""
        return self.lane[-1] if self.lane else None

    def nanoseconds(self) -> dict[str, int]:
        """Time by phase; the values add up to `end_ns - spawn_ns` exactly."""
        totals: dict[str, int] = {}
        for segment in self.segments:
            phase = segment.label or "unattributed"
            totals[phase] = totals.get(phase, 0) + segment.end_ns - segment.start_ns
        return totals

    def phase_at(self, at_ns: int) -> str:
        """The phase of one moment; moments outside the run take that of its nearest end."""
        segment = piece_at(self.segments, at_ns)
        return (segment and segment.label) or "unattributed"

    def loading_ns(self) -> int:
        """Time in which a module was being loaded on a main thread of the lane, whatever the phase."""
        if not self.lane:
            return 0
        limits = [process.start_ns for process in self.lane[1:]] + [self.end_ns]
        return sum(
            union_ns(_loads(process, end_ns=self.end_ns), start_ns=process.start_ns, end_ns=min(limit_ns, self.end_ns))
            for process, limit_ns in zip(self.lane, limits, strict=False)
        )


def attribute(
    records: Sequence[ProcessRecords],
    *,
    spawn_ns: int,
    end_ns: int,
    until: str,
    status: str,
    main: ProcessRecords | None = None,
    stderr_tail: Sequence[str] = (),
) -> Timeline:
    """The phases from spawn to the milestone `until` where it was reached, else to `end_ns`: the target was gone.

    `main`: the process whose progress is told, where it is not the one that decides the run.
    """
    failed = status not in ("reached", "ended_early")
    ranks = [main] if main is not None else [] if failed else ranks_of(records)
    main = main or main_process(records, failed=failed, stderr_tail=stderr_tail)
    if main is None:
        return Timeline(spawn_ns, end_ns, (Interval(spawn_ns, end_ns, None),), ())
    # The run has come to a milestone when the last of several ranks has.
    moments = [at_ns for one in ranks or [main] if (at_ns := _milestone(one, until, status)) is not None]
    end_ns = min(end_ns, max(moments, default=end_ns))
    lane = _lane(main, records)
    pieces = [Interval(spawn_ns, lane[0].start_ns, "interpreter")]
    for launcher, child in pairwise(lane):
        pieces += _phases(launcher, _claims(launcher, launcher.mark("exit.begin") or end_ns), end_ns=child.start_ns)
    pieces += _main_phases(main, records, lane, end_ns=end_ns, failed=failed)
    return Timeline(spawn_ns, end_ns, tuple(innermost(pieces, start_ns=spawn_ns, end_ns=end_ns)), tuple(lane))


def main_process(
    records: Sequence[ProcessRecords], *, failed: bool = False, stderr_tail: Sequence[str] = ()
) -> ProcessRecords | None:
    """The process that holds the milestone or came furthest; among equals the first started.

    Of several ranks the one that had the most to do until it came there, for which the others waited; in a run that
    `failed`, the one that broke off first; where none told of its end, the least far that waits in no collective.
    """
    ranks = ranks_of(records)
    if not ranks:
        return min(records, key=_order, default=None)
    if not failed:
        waited_ns = {rank: sum(stay.end_ns - stay.start_ns for stay in stays) for rank, stays in waiting(ranks).items()}
        return max(ranks, key=lambda one: _arrival(one) - waited_ns[one.rank or 0])
    named = _ROOT_CAUSE.search("\n".join(stderr_tail))
    behind = [one for one in ranks if named is not None and one.pid == int(named["pid"])]
    behind = behind or [one for one in ranks if not one.milestones] or ranks
    # A rank that failed in a collective lost another one there, which was killed before it could tell.
    told = [one for one in behind if not _lost_another(one)] or behind
    broken = [(at_ns, one) for one in told if (at_ns := one.mark("exit.begin")) is not None]
    return min(broken, key=lambda pair: pair[0])[1] if broken else min(told, key=_standing)


def _standing(process: ProcessRecords) -> tuple[bool, int, int]:
    """What tells of ranks that were killed which was the first: one that stands in a collective waits for another."""
    waits = any(one.name == "collective" for one in process.open)
    moments = [mark.at_ns for mark in process.marks] + [span.end_ns for span in process.spans]
    return waits, _progress(process), max([*moments, *(load.end_ns for load in process.loads)], default=0)


def _lost_another(process: ProcessRecords) -> bool:
    return any(span.name == "collective" and "error" in span.attributes for span in process.spans)


def ranks_of(records: Sequence[ProcessRecords]) -> list[ProcessRecords]:
    """The processes that trained together, by rank; none where there are not several.

    A rank that was started again, or that ran another program beside its own, is the process that came furthest.
    """
    by_rank: dict[int, list[ProcessRecords]] = {}
    for one in records:
        if one.role == "rank" and one.rank is not None and one.world_size > 1:
            by_rank.setdefault(one.rank, []).append(one)
    ranks = [min(by_rank[rank], key=_order) for rank in sorted(by_rank)]
    return ranks if len(ranks) > 1 else []


def _order(process: ProcessRecords) -> tuple[bool, int, bool, int, bool, int]:
    return (
        not process.milestones,
        -_progress(process),
        process.role not in ("main", "rank"),
        process.rank or 0,
        process.rank is None,  # torchrun itself has no rank, and is not the program
        process.start_ns,
    )


def _arrival(process: ProcessRecords) -> int:
    """When a rank reached its milestone; of a program that ran to its end, when it had got there."""
    moments = [one.at_ns for one in process.milestones]
    return max(moments, default=process.mark("exit.begin") or process.start_ns)


def own_phases(process: ProcessRecords, *, end_ns: int) -> list[Interval]:
    """What one process did up to `end_ns`, whatever the others did; None where nothing is known."""
    return _phases(process, _claims(process, end_ns), end_ns=end_ns)


def failing_phase(timeline: Timeline, *, stderr_tail: Iterable[str]) -> str | None:
    """The phase in which a run that did not reach its end broke off; `unattributed` is the program's own code."""
    main = timeline.main
    if main is None:
        return None
    last_ns = min(main.mark("exit.begin") or timeline.end_ns, timeline.end_ns)
    return timeline.phase_at(_failure(main, "\n".join(stderr_tail)) or last_ns - 1)


def _progress(process: ProcessRecords) -> int:
    names = {mark.name for mark in process.marks}
    return max((index + 1 for index, name in enumerate(_PROGRESS) if name in names), default=0)


def _milestone(main: ProcessRecords, until: str, status: str) -> int | None:
    if status != "reached" or until == "exit":
        return None
    moments = (one.at_ns for one in (*main.marks, *main.milestones) if one.name == until)
    return min(moments, default=None)


def _lane(main: ProcessRecords, records: Sequence[ProcessRecords]) -> list[ProcessRecords]:
    lane = [main]
    while (before := _predecessor(lane[0], records)) is not None:
        lane.insert(0, before)
    return lane


def _predecessor(child: ProcessRecords, records: Sequence[ProcessRecords]) -> ProcessRecords | None:
    """Who was there before: its parent, or what it was before an exec (the same pid); else whoever still ran then."""
    earlier = [one for one in records if one.start_ns < child.start_ns]
    parents = [one for one in earlier if one.pid in (child.pid, child.parent_pid)]
    programs = [one for one in earlier if one.role in ("main", "rank")]
    running = [one for one in programs if one.end is None or one.end.at_ns > child.start_ns]
    return max(parents or running or programs, key=lambda one: one.start_ns, default=None)


def _main_phases(
    main: ProcessRecords,
    records: Sequence[ProcessRecords],
    lane: Sequence[ProcessRecords],
    *,
    end_ns: int,
    failed: bool,
) -> Iterator[Interval]:
    exit_ns = min(main.mark("exit.begin") or end_ns, end_ns)
    # A rank at its milestone does nothing more until the last one has arrived.
    stopped = any(one.name == "first-step" for one in main.milestones)
    step_ns = exit_ns if stopped else min(main.mark("first-step") or exit_ns, exit_ns)
    claims = _claims(main, end_ns) + _first_batch_and_step(main, failed=failed, end_ns=step_ns)
    yield from _phases(main, claims, end_ns=step_ns)
    yield Interval(step_ns, exit_ns, "after_first_step")
    others_ns = min([end_ns, *(at_ns for at_ns in _other_work(main, records, lane) if at_ns > exit_ns)])
    if failed and ranks_of(records):
        # What follows the end of a rank that broke off is the launcher's: it ends the other ranks.
        others_ns = exit_ns
    yield Interval(exit_ns, others_ns, "exit")


def _phases(process: ProcessRecords, claims: Sequence[Interval], *, end_ns: int) -> list[Interval]:
    """One process's time up to `end_ns`, its loads put where no span claims the moment in which they began."""
    claimed = innermost(claims, start_ns=process.start_ns, end_ns=end_ns)
    loads = _loads(process, end_ns=end_ns)
    free = [load for load in loads if (piece := piece_at(claimed, load.start_ns)) and piece.label is None]
    return innermost([*claims, *free], start_ns=process.start_ns, end_ns=end_ns)


def _loads(process: ProcessRecords, *, end_ns: int) -> Iterator[Interval]:
    """The loads of the main thread; one in which the process hung or was killed lasts until `end_ns`."""
    yield from (Interval(load.start_ns, load.end_ns, "imports") for load in process.loads if load.thread == 0)
    # A stop at a milestone leaves loads open too, where a module's body runs the training.
    for one in process.open if process.end is None else ():
        if one.is_load and one.thread == 0 and one.start_ns < end_ns:
            yield Interval(one.start_ns, end_ns, "imports")


def _other_work(
    main: ProcessRecords, records: Sequence[ProcessRecords], lane: Sequence[ProcessRecords]
) -> Iterator[int]:
    """When anything else of the command line set to work: what follows the main process's end is not its teardown."""
    for one in records:
        if one.role == "main" and one.parent_pid != main.pid:
            yield one.start_ns
    for launcher in lane[:-1]:
        ended_ns = launcher.mark("exit.begin")
        starts = [load.start_ns for load in launcher.loads] + [span.start_ns for span in launcher.spans]
        yield from (at_ns for at_ns in starts if ended_ns is None or at_ns < ended_ns)


def _claims(process: ProcessRecords, end_ns: int) -> list[Interval]:
    """What the process's spans say; those that never ended last until `end_ns`."""
    spans = [*process.spans, *(_until(one, end_ns) for one in process.open if not one.is_load)]
    claims = [
        Interval(span.start_ns, span.end_ns, PHASE_OF_SPAN.get(span.name))
        for span in spans
        if span.thread == 0 and (span.name in PHASE_OF_SPAN or span.name == _CANCELS)
    ]
    site_end_ns = process.mark("site.end")
    return claims if site_end_ns is None else [*claims, Interval(process.start_ns, site_end_ns, "site")]


def _first_batch_and_step(main: ProcessRecords, *, failed: bool, end_ns: int) -> list[Interval]:
    """The fetch of the first training batch, and what follows it up to the first step (or up to where it failed)."""
    step_ns = main.mark("first-step")
    reference_ns = step_ns or main.mark("first-batch") or (end_ns if failed else None)
    if reference_ns is None:
        return []
    batch = min((span for span in main.spans if span.name == "train.batch"), key=_start, default=None)
    fetch = _training_fetch(main, batch, before_ns=reference_ns, end_ns=end_ns)
    claims = [] if fetch is None else [Interval(fetch.start_ns, fetch.end_ns, "first_batch")]
    if step_ns is None and (fetch is None or not failed):
        return claims
    begin_ns = fetch.end_ns if fetch is not None else batch.start_ns if batch is not None else end_ns
    return [*claims, Interval(begin_ns, end_ns, "first_step")]


def _training_fetch(main: ProcessRecords, batch: Span | None, *, before_ns: int, end_ns: int) -> Span | None:
    """The fetch of the first training batch; one that never ended lasts until `end_ns`."""
    evaluations = [span for span in main.spans if span.name in ("sanity_check", "val.epoch")]
    evaluations += [_until(one, end_ns) for one in main.open if one.name in ("sanity_check", "val.epoch")]
    fetches = [span for span in main.spans if span.name == "fetch" and not _is_past_the_last(span)]
    fetches += [_until(one, end_ns) for one in main.open if one.name == "fetch"]
    fetches = [
        fetch
        for fetch in fetches
        if fetch.thread == 0
        and fetch.attributes.get("grad", True)
        and fetch.start_ns <= before_ns
        and not any(one.start_ns <= fetch.start_ns < one.end_ns for one in evaluations)
    ]
    last = max(fetches, key=_start, default=None)
    if last is None:
        return None
    if batch is not None:
        inside = [fetch for fetch in fetches if batch.start_ns <= fetch.start_ns < batch.end_ns]
        return max(inside, key=_start, default=last)
    # A plain loop that accumulates gradients fetches several batches before its first step: it began with the first.
    return min((fetch for fetch in fetches if _loader(fetch) == _loader(last)), key=_start)


def _until(one: Open, end_ns: int) -> Span:
    return Span(one.name, one.start_ns, end_ns, one.thread, one.loc, one.attributes)


def _is_past_the_last(fetch: Span) -> bool:
    """Whether the iterator was exhausted: the fetch gave no batch, and did not fail."""
    return bool(fetch.attributes.get("stop")) and "error" not in fetch.attributes


def _start(span: Span) -> int:
    return span.start_ns


def _loader(span: Span) -> object:
    return span.attributes.get("loader")


def _failure(main: ProcessRecords, stderr: str) -> int | None:
    """When the innermost span or load began that the fatal exception left; None where it left none that was timed."""
    broken = [(span.start_ns, span.end_ns) for span in main.spans if span.thread == 0 and "error" in span.attributes]
    # A failed load is ordinary (a guarded import); it is the failure only if the program died of that exception.
    for load in main.loads:
        if load.thread == 0 and not load.ok and load.error and load.error in stderr:
            broken.append((load.start_ns, load.end_ns))
    if not broken:
        return None
    outer_start_ns, outer_end_ns = max(broken, key=lambda one: (one[1], -one[0]))
    went_on = any(span.start_ns >= outer_end_ns for span in main.spans if span.thread == 0)
    if went_on:
        return None
    return max(start_ns for start_ns, end_ns in broken if start_ns >= outer_start_ns and end_ns <= outer_end_ns)
