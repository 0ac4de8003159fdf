"""The timeline of a run: which phase each of its processes was in, when."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ocrprof.records import ProcessRecords
from ocrprof.results.model import Segment
from ocrprof.results.phases import Timeline, own_phases


def build_timeline(timeline: Timeline, records: Sequence[ProcessRecords]) -> list[Segment]:
    """The pieces of the main process and its launchers, which add up to the run, then those of the other processes."""
    others = [one for one in records if not any(one is own for own in timeline.lane)]
    return [*_lane(timeline), *(segment for process in others for segment in _other(process, timeline))]


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
    end_ns = min(timeline.end_ns, process.end.at_ns if process.end is not None else timeline.end_ns)
    for one in own_phases(process, end_ns=end_ns):
        if one.label is not None:
            yield _segment(process, one.label, one.start_ns, one.end_ns, timeline)


def _segment(process: ProcessRecords, phase: str, start_ns: int, end_ns: int, timeline: Timeline) -> Segment:
    return Segment(
        pid=process.pid,
        phase=phase,
        start_seconds=(start_ns - timeline.spawn_ns) / 1e9,
        seconds=(end_ns - start_ns) / 1e9,
    )
