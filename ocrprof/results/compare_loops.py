"""Two baselines side by side: batches and what they are made of, memory, configuration, metrics."""

import json
import statistics
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ocrprof.results.compare_pieces import nanoseconds, without_rounding
from ocrprof.results.compare_spread import known, single
from ocrprof.results.model import (
    BaselineReport,
    Breakdown,
    Cause,
    ChangedValue,
    ComparedFigure,
    LoopStatistics,
    Part,
)

_NOT_COUNTED = "in no part"
"""The cause that holds what a batch's parts do not tell of."""

_MAX_VALUE = 200


def loop_breakdowns(base: BaselineReport, candidate: BaselineReport) -> list[Breakdown]:
    """The mean batch of each loop that both have, by its parts, which are exclusive; warm-up batches are left out.

    Batches of one run are no repetitions of it, so nothing is known of the noise between two runs.
    """
    found = []
    for name, title in (("train", "a training batch"), ("validation", "a validation batch")):
        loops = [next((one for one in report.loops if one.name == name), None) for report in (base, candidate)]
        if loops[0] and loops[1] and _mean(loops[0]) is not None and _mean(loops[1]) is not None:
            found.append(_breakdown(title, loops[0], loops[1]))
    return found


def _breakdown(title: str, base: LoopStatistics, candidate: LoopStatistics) -> Breakdown:
    before, after = _mean(base) or 0.0, _mean(candidate) or 0.0
    parts = [_mean_parts(loop) for loop in (base, candidate)]
    locations = {**base.part_locations, **candidate.part_locations}
    total_ns = nanoseconds(after) - nanoseconds(before)
    changes = {
        name: nanoseconds(parts[1].get(name, 0.0)) - nanoseconds(parts[0].get(name, 0.0))
        for name in dict.fromkeys(chain(*parts))
    }
    causes = [_part_cause(name, ns, parts).model_copy(update={"location": locations.get(name)})
              for name, ns in changes.items() if ns]  # fmt: skip
    causes, rest_ns = without_rounding(causes, total_ns - sum(changes.values()))
    if rest_ns:
        causes.append(Cause(name=_NOT_COUNTED, kind="rest", seconds=rest_ns / 1e9))
    return Breakdown(
        name=title,
        base_seconds=before,
        candidate_seconds=after,
        num_base=_num_counted(base),
        num_candidate=_num_counted(candidate),
        of="batches",
        phases=[Part(name=cause.name, seconds=cause.seconds) for cause in causes],
        causes=sorted(causes, key=lambda cause: -abs(cause.seconds)),
    )


def _part_cause(name: str, change_ns: int, parts: Sequence[Mapping[str, float]]) -> Cause:
    came, went = name not in parts[0], name not in parts[1]
    kind = "gained" if came else "lost" if went else "slower" if change_ns > 0 else "faster"
    return Cause.model_validate({"name": name, "kind": kind, "seconds": change_ns / 1e9})


def _num_counted(loop: LoopStatistics) -> int:
    return max(len(loop.batch_seconds) - loop.num_warmup, 0) or loop.num_batches


def _mean(loop: LoopStatistics) -> float | None:
    """Of the batches after the warm-up, from the samples; as it is stored where a report has no samples."""
    counted = loop.batch_seconds[loop.num_warmup :]
    return statistics.fmean(counted) if counted else loop.mean_seconds


def _mean_parts(loop: LoopStatistics) -> dict[str, float]:
    found = {name: seconds[loop.num_warmup :] for name, seconds in loop.parts.items()}
    return {name: statistics.fmean(seconds) for name, seconds in found.items() if seconds}


def baseline_tables(base: BaselineReport, candidate: BaselineReport) -> dict[str, list[ComparedFigure]]:
    """Batches, their parts, memory, and every metric that a side has."""
    tables: dict[str, list[ComparedFigure]] = {}
    for name, title in (("train", "training batches"), ("validation", "validation batches")):
        loops = [next((one for one in report.loops if one.name == name), None) for report in (base, candidate)]
        if any(loops):
            tables[title] = _loop_figures(*loops)
            parts = [_mean_parts(loop) if loop else {} for loop in loops]
            tables[f"{title}, mean of each part"] = _side_by_side(*parts, unit="seconds")
    tables["memory"] = _memory(base, candidate)
    tables["metrics"] = _side_by_side(base.metrics, candidate.metrics, unit="number")
    tables["metrics logged by the target"] = _side_by_side(base.logged_metrics, candidate.logged_metrics, unit="number")
    return tables


def _loop_figures(base: LoopStatistics | None, candidate: LoopStatistics | None) -> list[ComparedFigure]:
    fields = (
        ("mean", "mean_seconds", "seconds"),
        ("median", "median_seconds", "seconds"),
        ("p95", "p95_seconds", "seconds"),
        ("p99", "p99_seconds", "seconds"),
        ("standard deviation", "std_seconds", "seconds"),
        ("total", "total_seconds", "seconds"),
        ("batches", "num_batches", "count"),
        ("batch size", "batch_size", "count"),
        ("workers", "num_workers", "count"),
        ("throughput", "samples_per_sec", "samples_per_sec"),
    )
    return known(
        [single(name, getattr(base, field, None), getattr(candidate, field, None), unit=unit)
         for name, field, unit in fields]
    )  # fmt: skip


def _memory(base: BaselineReport, candidate: BaselineReport) -> list[ComparedFigure]:
    fields = (
        ("peak RSS", "peak_rss_bytes"),
        ("peak PSS", "peak_pss_bytes"),
        ("GPU, allocated", "gpu_allocated_bytes"),
        ("GPU, reserved", "gpu_reserved_bytes"),
        ("GPU, peak of the driver", "gpu_peak_bytes"),
    )
    return known(
        [single(name, getattr(base.memory, field, None), getattr(candidate.memory, field, None), unit="bytes")
         for name, field in fields]
    )  # fmt: skip


def _side_by_side(base: Mapping[str, float], candidate: Mapping[str, float], *, unit: str) -> list[ComparedFigure]:
    return known(
        [single(name, base.get(name), candidate.get(name), unit=unit) for name in dict.fromkeys(chain(base, candidate))]
    )


def changed_values(base: Mapping[str, Any], candidate: Mapping[str, Any]) -> list[ChangedValue]:  # Any: JSON values
    """Keys of two configurations whose values differ, dotted; None for a side that lacks the key."""
    before, after = _flat(base), _flat(candidate)
    return [
        ChangedValue(name=name, base=before.get(name), candidate=after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, str]:  # Any: a JSON value
    if isinstance(value, Mapping) and value:
        return {key: text for name, inner in value.items() for key, text in _flat(inner, f"{prefix}{name}.").items()}
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return {prefix.removesuffix("."): text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"}
