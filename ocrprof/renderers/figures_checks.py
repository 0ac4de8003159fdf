"""Pairs of runs as sentences: what a cold page cache costs, and what recording costs."""

from pathlib import Path

from ocrprof.results.cold import MAX_RESIDENT_SHARE
from ocrprof.results.model import ColdStarts, FileHolder, Overhead
from ocrprof.units import format_bytes, format_percent, format_seconds

_NUM_SHOWN = 3
_MAX_COMMAND = 60


def cold_line(cold: ColdStarts) -> str:
    """`cold 61.2 s, warm 19.4 s → 41.8 s is file I/O`, in which phases and files; or why there is no cold figure."""
    ended = f"; ended at a run of status {cold.stopped_by.replace('_', ' ')}" if cold.stopped_by else ""
    if cold.cold_seconds is None:
        return f"cold not measured{ended}" if cold.stopped_by else f"cold not achieved: {_what_stayed(cold)}"
    facts = [_cold_and_warm(cold), _files_read(cold)]
    if cold.resident_share > MAX_RESIDENT_SHARE:
        facts.append(f"no more pairs: after the next eviction {_what_stayed(cold)}")
    else:
        facts.append(f"{format_percent(cold.resident_share)} had stayed cached")
    return "; ".join(facts) + ended


def _cold_and_warm(cold: ColdStarts) -> str:
    if not (cold.cold_seconds and cold.warm_seconds and cold.difference_seconds):
        return "each counted run began with the files that it reads out of the page cache"
    interval = cold.difference_seconds.ci95
    spread = f" [{format_seconds(interval[0])}, {format_seconds(interval[1])}]" if interval else ""
    phases = ", ".join(
        f"{part.name.replace('_', ' ')} {format_seconds(part.seconds)}" for part in cold.by_phase[:_NUM_SHOWN]
    )
    return (
        f"cold {format_seconds(cold.cold_seconds.median)}, warm {format_seconds(cold.warm_seconds.median)} → "
        f"{format_seconds(cold.difference_seconds.median)}{spread} is file I/O"
        + (f" ({phases})" if phases else "")
        + f", n = {cold.difference_seconds.n}"
    )


def _files_read(cold: ColdStarts) -> str:
    """How many files and bytes, and how much of them the largest few are."""
    if cold.read_bytes and cold.num_files_read is not None:
        shown, total = cold.most_read, cold.read_bytes
        text = (
            f"{format_bytes(total)} read of {cold.num_files_read} of {cold.num_files} files"
            f" ({format_bytes(cold.bytes)})"
        )
    else:
        shown, total = cold.largest, cold.bytes
        text = f"{cold.num_files} files, {format_bytes(total)}"
    if not shown or not total:
        return text
    share = format_percent(sum(file.bytes for file in shown) / total)
    libraries = all(".so" in Path(file.path).name for file in shown)
    kind = ("shared object" if libraries else "file") + ("s" if len(shown) != 1 else "")
    names = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in shown[:_NUM_SHOWN])
    return f"{text}, {share} of it {len(shown)} {kind}: {names}"


def _what_stayed(cold: ColdStarts) -> str:
    """The files that could not be evicted, and the processes that have them mapped."""
    stayed = ", ".join(f"{Path(file.path).name} {format_bytes(file.bytes)}" for file in cold.resident[:_NUM_SHOWN])
    text = (
        f"{format_percent(cold.resident_share)} of {cold.num_files} files, {format_bytes(cold.bytes)}, stayed in the "
        f"page cache: {stayed}"
    )
    if not cold.holders:
        return f"{text}; no process that we may look at maps them: this file system may ignore the request"
    return f"{text}; {', '.join(_holder(one) for one in cold.holders[:_NUM_SHOWN])}"


def _holder(holder: FileHolder) -> str:
    names = Path(holder.files[0]).name + (f" and {len(holder.files) - 1} more" if len(holder.files) > 1 else "")
    command = " ".join(holder.argv)
    command = command if len(command) <= _MAX_COMMAND else f"{command[: _MAX_COMMAND - 1]}…"
    who = "ocrprof itself" if holder.is_ocrprof else command or "a process without a command"
    verb = "are" if len(holder.files) > 1 else "is"
    return f"{names} {verb} mapped by pid {holder.pid} ({who})"


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
