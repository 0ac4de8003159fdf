"""The timeline of a run: which phase each of its processes was in, when."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ocrprof.records import ProcessRecords
from ocrprof.results.model import Segment
from ocrprof.results.phases import Timeline, attribute, own_phases, ranks_of
from ocrprof.results.workers import worker_pieces


def build_timeline(timeline: Timeline, records: Sequence[ProcessRecords], *, until: str, status: str) -> list[Segment]:
    """The pieces of the main process and its launchers, which add up to the run, then those of the other processes."""
    others = [one for one in records if not any(one is own for own in timeline.lane)]
    ranks = [one for one in ranks_of(records) if one is not timeline.main]
    segments = [*_lane(timeline)]
    for process in others:
        segments += _other(process, timeline)
    for rank in ranks:
        own = rank_timeline(rank, records, timeline, until=until, status=status)
        # A rank that started the main process goes on beside it.
        begins_ns = _until(rank, timeline)
        segments += [
            _segment(rank, one.label, max(one.start_ns, begins_ns), one.end_ns, timeline)
            for one in own.segments
            if one.label is not None and one.end_ns > begins_ns
        ]
    return segments


def rank_timeline(
    rank: ProcessRecords, records: Sequence[ProcessRecords], timeline: Timeline, *, until: str, status: str
) -> Timeline:
    """The run as this rank went through it: up to its own milestone, where it came to it."""
    return attribute(
        records,
        spawn_ns=timeline.spawn_ns,
        end_ns=timeline.end_ns,
        until=until,
        status="reached" if rank.milestones else status,
        main=rank,
    )


def _until(rank: ProcessRecords, timeline: Timeline) -> int:
    """Up to when the lane of the run tells of this process already."""
    after = [child.start_ns for process, child in pairwise(timeline.lane) if process is rank]
    return after[0] if after else rank.start_ns


def _lane(timeline: Timeline) -> Iterator[Segment]:
    """The segments of the run, each cut where one process of the lane hands over to the next."""
    if not timeline.lane:
        return
    begins_ns = [timeline.spawn_ns, *(process.start_ns for process in timeline.lane[1:]), timeline.end_ns]
    for process, (begin_ns, limit_ns) in zip(timeline.lane, pairwise(begins_ns), strict=True):
        for one in timeline.segments:
            start_ns, end_ns = max(one.start_ns, begin_ns), min(one.end_ns, limit_ns)
            if start_ns < end_ns:
                yield _segment(process, one.label or "unattributed", start_ns, end_ns, timeline)


def _other(process: ProcessRecords, timeline: Timeline) -> Iterator[Segment]:
    """Of a worker what it did up to its first batch; of any other process what is known to be a phase."""
    end_ns = min(timeline.end_ns, process.end.at_ns if process.end is not None else timeline.end_ns)
    if process.role == "rank" and process.world_size > 1:
        return
    is_worker = process.role == "worker"
    pieces = worker_pieces(process, end_ns=end_ns) if is_worker else own_phases(process, end_ns=end_ns)
    for one in pieces:
        if one.label is not None and one.end_ns > timeline.spawn_ns:
            yield _segment(process, one.label, one.start_ns, one.end_ns, timeline)


def _segment(process: ProcessRecords, phase: str, start_ns: int, end_ns: int, timeline: Timeline) -> Segment:
    return Segment(
        pid=process.pid,
        phase=phase,
        start_seconds=(start_ns - timeline.spawn_ns) / 1e9,
        seconds=(end_ns - start_ns) / 1e9,
    )
