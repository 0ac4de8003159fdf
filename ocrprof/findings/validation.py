"""Where a validation spends its time: `polygon-bottleneck`, `metric-bottleneck`, `slow-validation`.

The first two fire when post-processing (a component of the target's own) or the metric takes a quarter of the
validation or more; the third when a sample takes 1.2 times as long to validate as to train on, or more, though no
gradient is computed for it. Shares are of the validation's total time. Times are the host's: on a GPU the first part
that waits for the device carries the wait.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ocrprof.findings.judging import finding, place
from ocrprof.results.batches import PART_OF_SPAN, REST
from ocrprof.results.model import BaselineReport, Finding, Location, LoopStatistics
from ocrprof.units import format_percent, format_seconds

_MIN_SECONDS = 0.1
_MIN_SHARE = 0.25
_MIN_RATIO = 1.2
_MIN_BATCHES = 4


def bottlenecks(report: BaselineReport) -> list[Finding]:
    """One finding for each component, and one for the metric, that takes a quarter of the validation."""
    loop = loop_named(report.loops, "validation")
    if loop is None:
        return []
    names = dict.fromkeys([*loop.parts, *(part.name for part in loop.outside_batches)])
    return [
        _bottleneck(name, seconds, loop, report.target.cwd)
        for name in names
        if name == "metric" or name not in PART_OF_SPAN.values()
        for seconds in [_total_seconds(loop, name)]
        if seconds >= max(_MIN_SECONDS, _MIN_SHARE * loop.total_seconds)
    ]


def slow_validation(report: BaselineReport) -> list[Finding]:
    """A finding where a sample costs more in validation than in training, with the part that makes the difference."""
    train, validation = loop_named(report.loops, "train"), loop_named(report.loops, "validation")
    if train is None or validation is None or min(_num_steady(train), _num_steady(validation)) < _MIN_BATCHES:
        return []
    by_sample = bool(train.batch_size and validation.batch_size)
    per_train, per_validation = _seconds_each(train, by_sample), _seconds_each(validation, by_sample)
    excess = (per_validation - per_train) / per_validation * sum(validation.batch_seconds)
    if per_validation < _MIN_RATIO * per_train or excess < _MIN_SECONDS:
        return []
    differences = {
        name: _part_each(validation, name, by_sample) - _part_each(train, name, by_sample) for name in validation.parts
    }
    cause = max(differences, key=lambda name: differences[name])
    unit = "sample" if by_sample else "batch"
    location = validation.part_locations.get(cause)
    return [
        finding(
            "slow-validation",
            f"A {unit} takes {per_validation / per_train:.1f} × as long to validate as to train on",
            seconds=excess,
            of_seconds=validation.total_seconds,
            location=location,
            evidence={
                "ratio": per_validation / per_train,
                f"validation_{unit}_seconds": per_validation,
                f"training_{unit}_seconds": per_train,
                "num_batches": validation.num_batches,
            },
            advice=f"{_called(cause)}{_at(location, report.target.cwd)} makes most of the difference:"
            f" {format_seconds(differences[cause])} a {unit} more than in training. Without that, validating a {unit}"
            f" would take {format_seconds(per_validation - differences[cause])}, training on it"
            f" {format_seconds(per_train)}.",
        )
    ]


def loop_named(loops: Sequence[LoopStatistics], name: str) -> LoopStatistics | None:
    """The loop of that name, where a batch of it was seen."""
    return next((loop for loop in loops if loop.name == name and loop.batch_seconds), None)


def _bottleneck(name: str, seconds: float, loop: LoopStatistics, cwd: str) -> Finding:
    is_metric = name == "metric"
    share = seconds / loop.total_seconds
    location = loop.part_locations.get(name) or next(
        (part.location for part in loop.outside_batches if part.name == name), None
    )
    return finding(
        "metric-bottleneck" if is_metric else "polygon-bottleneck",
        f"{_called(name)} takes {format_percent(share)} of the validation",
        seconds=seconds,
        of_seconds=loop.total_seconds,
        location=location,
        evidence=_evidence(name, seconds, loop),
        advice=_advice(name, seconds, loop, _at(location, cwd)),
    )


def _evidence(name: str, seconds: float, loop: LoopStatistics) -> dict[str, Any]:  # Any: JSON values
    outside = sum(part.seconds for part in loop.outside_batches if part.name == name)
    evidence: dict[str, Any] = {
        "validation_seconds": loop.total_seconds,
        "in_batches_seconds": seconds - outside,
        "num_batches": loop.num_batches,
    }
    if outside:
        evidence["after_the_batches_seconds"] = outside
    if "forward" in loop.parts:
        evidence["forward_seconds"] = sum(loop.parts["forward"])
    return evidence


def _advice(name: str, seconds: float, loop: LoopStatistics, at: str) -> str:
    outside = sum(part.seconds for part in loop.outside_batches if part.name == name)
    num_samples = loop.num_batches * loop.batch_size if loop.batch_size else None
    each = f"{format_seconds(seconds / num_samples)} a sample" if num_samples else format_seconds(seconds)
    without = f"Without it this validation would have taken {format_seconds(loop.total_seconds - seconds)}"
    what = _called(name)
    if outside > 0.5 * seconds:
        return (
            f"{what}{at} works for {format_seconds(outside)} outside the batches: update it batch by batch, while"
            f" workers load the next one, and leave only sums to the end. {without}."
        )
    forward = sum(loop.parts.get("forward", ())) / loop.num_batches
    against = f", where the forward pass of a batch takes {format_seconds(forward)}" if forward else ""
    return (
        f"{what}{at} takes {each} on the main thread, one batch after another{against}. If its images do not depend on"
        f" each other, a pool of processes can share them; else validate fewer batches on most epochs. {without}."
    )


def _called(part: str) -> str:
    """A part's name at the beginning of a sentence."""
    names = {"metric": "The metric", REST: "The step's own code", "fetch": "Loading", "forward": "The forward pass"}
    return names.get(part, part)


def _at(location: Location | None, cwd: str) -> str:
    return f" ({place(location, cwd=cwd)})" if location else ""


def _total_seconds(loop: LoopStatistics, name: str) -> float:
    in_batches = sum(loop.parts.get(name, ()))
    return in_batches + sum(part.seconds for part in loop.outside_batches if part.name == name)


def _num_steady(loop: LoopStatistics) -> int:
    return len(loop.batch_seconds) - loop.num_warmup


def _seconds_each(loop: LoopStatistics, by_sample: bool) -> float:
    mean = fmean(loop.batch_seconds[loop.num_warmup :])
    return mean / loop.batch_size if by_sample and loop.batch_size else mean


def _part_each(loop: LoopStatistics, name: str, by_sample: bool) -> float:
    values = loop.parts.get(name)
    if not values:
        return 0.0
    mean = fmean(values[loop.num_warmup :])
    return mean / loop.batch_size if by_sample and loop.batch_size else mean
