"""Pairs of runs as sentences: what a cold page cache costs, and what recording costs."""

from pathlib import Path

from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.model import ColdStarts, Overhead
from ocrprof.units import format_bytes, format_percent, format_seconds


def cold_line(cold: ColdStarts) -> str:
    """`cold 61.2 s, warm 19.4 s → 41.8 s is file I/O`, the files, the largest; or why there is no cold figure."""
    read = f"{cold.num_files} files, {format_bytes(cold.bytes)}"
    ended = f"; ended at a run of status {cold.stopped_by.replace('_', ' ')}" if cold.stopped_by else ""
    if not (cold.cold_seconds and cold.warm_seconds and cold.difference_seconds):
        if cold.stopped_by:
            return f"cold not measured{ended}"
        stayed = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in cold.resident[:3])
        return (
            f"cold not achieved: {format_percent(cold.resident_share)} of {read} stayed in the page cache after "
            f"eviction (another process uses them, or they are not ours to ask about): {stayed}"
        )
    interval = cold.difference_seconds.ci95
    spread = f" [{format_seconds(interval[0])}, {format_seconds(interval[1])}]" if interval else ""
    largest = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in cold.largest[:3])
    stayed_text = f"{format_percent(cold.resident_share)} had stayed cached"
    if cold.resident_share > MAX_RESIDENT_SHARE:
        stayed_text = f"no more pairs: after the next eviction {format_percent(cold.resident_share)} stayed cached"
    return (
        f"cold {format_seconds(cold.cold_seconds.median)}, warm {format_seconds(cold.warm_seconds.median)} → "
        f"{format_seconds(cold.difference_seconds.median)}{spread} is file I/O, n = {cold.difference_seconds.n}; "
        f"{read}, the largest {largest}; {stayed_text}{ended}"
    )


def overhead_line(overhead: Overhead) -> str:
    """What recording added by pairs of runs, with its interval, and what it was measured against."""
    pairs = f"{len(overhead.pairs)} pair{'s' if len(overhead.pairs) != 1 else ''} in random order"
    lost = (
        f"; the check ended at a run of status {overhead.stopped_by.replace('_', ' ')}" if overhead.stopped_by else ""
    )
    difference, base = overhead.difference_seconds, overhead.marks_only_seconds
    if difference is None or base is None:
        return f"overhead not measured: no pair arrived{lost}"
    interval = "no interval below three pairs"
    if difference.ci95:
        interval = f"95 % interval {format_seconds(difference.ci95[0])} to {format_seconds(difference.ci95[1])}"
    share = f", {difference.median / base.median * 100:+.1f} %" if base.median else ""
    return (
        f"recording adds {format_seconds(difference.median)}{share} ({interval}) to a start of"
        f" {format_seconds(base.median)} that marks milestones only; {pairs}, seed {overhead.seed}{lost}"
    )
