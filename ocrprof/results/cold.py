"""Cold against warm starts, by pairs; and whether the cold ones were cold."""

from collections.abc import Sequence

from ocrprof.results.model import ColdPair, ColdStarts, FileSize, RunStatus
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
) -> ColdStarts:
    """The cold starts of these pairs. `resident`: what the last eviction left in the page cache."""
    total = sum(file.bytes for file in files)
    stayed = sum(file.bytes for file in resident)
    return ColdStarts(
        num_files=len(files),
        bytes=total,
        largest=_largest(files),
        resident_share=stayed / total if total else 0.0,
        resident=_largest(resident),
        achieved=bool(pairs),
        pairs=list(pairs),
        stopped_by=stopped_by,
        cold_seconds=statistic([pair.cold_seconds for pair in pairs]) if pairs else None,
        warm_seconds=statistic([pair.warm_seconds for pair in pairs]) if pairs else None,
        difference_seconds=statistic([pair.cold_seconds - pair.warm_seconds for pair in pairs]) if pairs else None,
    )


def _largest(files: Sequence[FileSize]) -> list[FileSize]:
    return sorted(files, key=lambda file: file.bytes, reverse=True)[:_NUM_LARGEST]
