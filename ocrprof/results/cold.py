"""Cold against warm starts, by pairs; and whether the cold ones were cold."""

from collections.abc import Sequence
from statistics import median

from ocrprof.results.model import ColdPair, ColdStarts, FileHolder, FileSize, Part, RunStatus
from ocrprof.results.stats import statistic

MAX_RESIDENT_SHARE = 0.05
"""Of the bytes of all files that the target reads: with more of them in the page cache, a start is not called cold."""

_NUM_LARGEST = 6


def build_cold(
    pairs: Sequence[ColdPair],
    *,
    files: Sequence[FileSize],
    resident: Sequence[FileSize],
    stopped_by: RunStatus | None,
    read: Sequence[FileSize] = (),
    holders: Sequence[FileHolder] = (),
    cold_seconds: Sequence[float] = (),
) -> ColdStarts:
    """The cold starts of these pairs, or those of `cold_seconds`, which have no warm one beside them.

    `resident`: what the last eviction left in the page cache. `read`: what the last cold start brought back into it.
    """
    total = sum(file.bytes for file in files)
    stayed = sum(file.bytes for file in resident)
    cold = [pair.cold_seconds for pair in pairs] or list(cold_seconds)
    return ColdStarts(
        num_files=len(files),
        bytes=total,
        largest=_largest(files),
        num_files_read=len(read) if read else None,
        read_bytes=sum(file.bytes for file in read) if read else None,
        most_read=_largest(read),
        resident_share=stayed / total if total else 0.0,
        resident=_largest(resident),
        holders=list(holders)[:_NUM_LARGEST],
        achieved=bool(cold),
        pairs=list(pairs),
        stopped_by=stopped_by,
        cold_seconds=statistic(cold) if cold else None,
        warm_seconds=statistic([pair.warm_seconds for pair in pairs]) if pairs else None,
        difference_seconds=statistic([pair.cold_seconds - pair.warm_seconds for pair in pairs]) if pairs else None,
        by_phase=_by_phase(pairs),
    )


def _largest(files: Sequence[FileSize]) -> list[FileSize]:
    return sorted(files, key=lambda file: file.bytes, reverse=True)[:_NUM_LARGEST]


def _by_phase(pairs: Sequence[ColdPair]) -> list[Part]:
    """Where the cold runs were slower; a phase that a run does not have took no time in it."""
    cold = [{phase.name: phase.seconds for phase in pair.cold_phases} for pair in pairs]
    warm = [{phase.name: phase.seconds for phase in pair.warm_phases} for pair in pairs]
    names = dict.fromkeys(name for of_run in cold for name in of_run)
    parts = [
        Part(
            name=name,
            seconds=median(one.get(name, 0.0) - other.get(name, 0.0) for one, other in zip(cold, warm, strict=True)),
        )
        for name in names
    ]
    return sorted((part for part in parts if part.seconds > 0), key=lambda part: -part.seconds)
