"""Batch times of the training and validation loops, and what each batch is made of.

The parts of a batch are exclusive and add up to it: at each moment the innermost recorded call decides. They are times
of the host: on a GPU a part that only launches work looks short, and the wait for it stands in whichever part waits.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ocrprof.records import ProcessRecords, Span
from ocrprof.results.batch_parts import (
    batch_sizes,
    holds,
    part_labels,
    part_locations,
    part_nanoseconds,
    spans_inside,
    start_of,
)
from ocrprof.results.batches import Loop, find_loops
from ocrprof.results.intervals import Interval
from ocrprof.results.model import LoopStatistics, Memory, Part
from ocrprof.results.phases import main_process
from ocrprof.results.stats import percentile, standard_deviation

_MAX_WARMUP = 3
"""Batches set apart, at most a quarter of all: kernels are chosen, pools filled and optimizer state made in them."""


def build_loops(records: Sequence[ProcessRecords]) -> list[LoopStatistics]:
    """The training and the validation loop of the main process, where it ran at least one batch of them."""
    main = main_process(records)
    if main is None:
        return []
    spans = sorted((span for span in main.spans if span.thread == 0), key=start_of)
    return [_statistics(loop, spans) for loop in find_loops(spans)]


def performance_metrics(loops: Iterable[LoopStatistics], *, memory: Memory | None = None) -> dict[str, float]:
    """The figures by the names that the audited project logs: `performance/val_batch_mean`; seconds, GiB, percent.

    As there, a batch is timed between the hooks `on_…_batch_start` and `on_…_batch_end`: without fetch and transfer.
    Unlike there, warm-up batches are left out.
    """
    metrics: dict[str, float | None] = {}
    for loop in loops:
        prefix = "performance/val" if loop.name == "validation" else "performance/train"
        batches = _between_hooks(loop)
        steady = batches[loop.num_warmup :]
        metrics |= {
            f"{prefix}_batch_mean": statistics.fmean(steady) if steady else None,
            f"{prefix}_batch_median": statistics.median(steady) if steady else None,
            f"{prefix}_batch_p95": percentile(steady, 95) if steady else None,
            f"{prefix}_batch_p99": percentile(steady, 99) if steady else None,
            f"{prefix}_batch_std": standard_deviation(steady),
            f"{prefix}_batch_time": batches[-1] if batches else None,
            f"{prefix}_batch_idx": len(batches) - 1 if batches else None,
            f"{prefix}_epoch_time": loop.total_seconds,
            f"{prefix}_num_batches": loop.num_batches,
        }
    if memory is not None:
        metrics["performance/cpu_memory_percent"] = memory.share_of_machine * 100
        for name, num_bytes in (("", memory.gpu_allocated_bytes), ("_reserved", memory.gpu_reserved_bytes)):
            metrics[f"performance/gpu_memory{name}_gb"] = None if num_bytes is None else num_bytes / 2**30
    return {name: float(value) for name, value in metrics.items() if value is not None}


def _between_hooks(loop: LoopStatistics) -> list[float]:
    """Seconds of each batch without what Lightning does before its first hook."""
    before = [loop.parts[name] for name in ("fetch", "transfer") if name in loop.parts]
    return [total - sum(part[index] for part in before) for index, total in enumerate(loop.batch_seconds)]


def _statistics(loop: Loop, spans: Sequence[Span]) -> LoopStatistics:
    inside = spans_inside(spans, loop.windows, loop.excluded)
    labels = part_labels(inside)
    parts = part_nanoseconds(loop.windows, inside, labels, loop.excluded)
    batch_seconds = [sum(values) / 1e9 for values in zip(*parts.values(), strict=True)]
    num_warmup = min(_MAX_WARMUP, len(batch_seconds) // 4)
    steady = batch_seconds[num_warmup:]
    outside = _outside_batches(loop, spans)
    sizes = batch_sizes(loop, inside)
    return LoopStatistics(
        name=loop.name,
        num_batches=len(batch_seconds),
        num_warmup=num_warmup,
        total_seconds=sum(batch_seconds) + sum(part.seconds for part in outside),
        mean_seconds=statistics.fmean(steady),
        median_seconds=statistics.median(steady),
        p95_seconds=percentile(steady, 95),
        p99_seconds=percentile(steady, 99),
        std_seconds=standard_deviation(steady),
        samples_per_sec=_samples_per_sec(sizes[num_warmup:], steady),
        batch_size=_most_common(sizes),
        num_workers=_most_common(span.attributes.get("num_workers") for span in inside if span.name == "fetch"),
        batch_seconds=batch_seconds,
        parts={name: [value / 1e9 for value in values] for name, values in parts.items() if any(values)},
        part_locations=part_locations(inside, labels),
        outside_batches=outside,
    )


def _most_common(values: Iterable[int | None]) -> int | None:
    counts = Counter(value for value in values if value is not None)
    return counts.most_common(1)[0][0] if counts else None


def _samples_per_sec(sizes: Sequence[int | None], batch_seconds: Sequence[float]) -> float | None:
    known = [(size, seconds) for size, seconds in zip(sizes, batch_seconds, strict=True) if size is not None]
    seconds = sum(seconds for _, seconds in known)
    return sum(size for size, _ in known) / seconds if seconds > 0 else None


def _outside_batches(loop: Loop, spans: Sequence[Span]) -> list[Part]:
    """What the rest of the loop's time went to: the metric's `compute` after the last batch, say."""
    gaps = list(_gaps(loop))
    around = spans_inside(spans, gaps, ())
    labels = part_labels(around)
    locations = part_locations(around, labels)
    totals = {name: sum(values) for name, values in part_nanoseconds(gaps, around, labels, ()).items()}
    return [
        Part(name=name, seconds=total_ns / 1e9, location=locations.get(name))
        for name, total_ns in sorted(totals.items(), key=lambda item: -item[1])
        if total_ns
    ]


def _gaps(loop: Loop) -> Iterator[Interval]:
    """The loop's extents without the windows of its batches."""
    for extent in loop.extents:
        begin_ns = extent.start_ns
        for window in loop.windows:
            if holds(extent, window):
                yield Interval(begin_ns, window.start_ns, None)
                begin_ns = window.end_ns
        yield Interval(begin_ns, extent.end_ns, None)
