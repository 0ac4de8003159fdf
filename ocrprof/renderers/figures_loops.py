"""The figures of a training run: batches, what they are made of, memory."""

import statistics
from dataclasses import dataclass
from typing import Any

from ocrprof.renderers.figures import phase_name
from ocrprof.renderers.figures_startup import failures
from ocrprof.renderers.places import plain
from ocrprof.results.batches import REST
from ocrprof.results.model import BaselineReport, Finding, LoopStatistics
from ocrprof.units import format_bytes, format_percent

NOT_SEEN = {
    "training": "not seen: the program ran no training batch",
    "validation": "not seen: the program ran no validation batch",
}
"""Said in place of the figures of a loop."""


def why_not_trained(report: BaselineReport) -> str:
    """Why there is a start but no training run."""
    startup = report.startup
    if startup and failures(startup):
        return "The training run was not measured: the start-up did not arrive."
    if startup and startup.until != "first-step":
        return "The training run was not measured: the program ended without a training step."
    return "The training run was not measured."


def all_findings(report: BaselineReport) -> list[Finding]:
    """Those of the loops, then those of the start; each once."""
    seen: set[tuple[str, str, str]] = set()
    kept = []
    for finding in [*report.findings, *(report.startup.findings if report.startup else [])]:
        key = (finding.code, finding.title, str(finding.location))
        if key not in seen:
            seen.add(key)
            kept.append(finding)
    return sorted(kept, key=lambda finding: finding.priority)


def loop_named(report: BaselineReport, name: str) -> LoopStatistics | None:
    """The training or validation loop, None where no batch of it was seen."""
    return next((loop for loop in report.loops if loop.name == name and loop.num_batches), None)


def batch_count(loop: LoopStatistics) -> str:
    """`34, of them 1 warm-up`."""
    return f"{loop.num_batches}, of them {loop.num_warmup} warm-up" if loop.num_warmup else str(loop.num_batches)


def ratio(report: BaselineReport) -> float | None:
    """Median validation batch by median training batch; None where either was not seen."""
    train, validation = loop_named(report, "train"), loop_named(report, "validation")
    if not train or not validation or not train.median_seconds or validation.median_seconds is None:
        return None
    return validation.median_seconds / train.median_seconds


def memory_rows(report: BaselineReport) -> list[tuple[str, str]]:
    """What the process tree and the GPU held at most, as (resource, usage)."""
    memory = report.memory
    if memory is None:
        return [("process tree", "not measured")]
    share = (
        f"{format_percent(memory.share_of_machine)} of the machine's {format_bytes(report.environment.memory_bytes)}"
    )
    rss = f"RSS {format_bytes(memory.peak_rss_bytes)}"
    pss = (
        f"PSS {format_bytes(memory.peak_pss_bytes)} (shared pages once), " if memory.peak_pss_bytes is not None else ""
    )
    rows = [("process tree, peak", f"{pss}{rss}, {share}")]
    gpu = [
        ("GPU allocated by tensors, at the end", memory.gpu_allocated_bytes),
        ("GPU reserved by the CUDA allocator, peak", memory.gpu_reserved_bytes),
        ("GPU held by the process tree, peak", memory.gpu_peak_bytes),
    ]
    seen = [(name, format_bytes(value)) for name, value in gpu if value is not None]
    if seen:
        return rows + seen
    reason = (
        "not seen: no GPU memory was recorded for the target" if report.environment.gpus else "this machine has none"
    )
    return [*rows, ("GPU", reason)]


def limits_text(limits: dict[str, Any]) -> str:  # Any: as in the report, JSON values
    """`num train batches 20 · num val batches all`."""
    return plain(" · ".join(f"{phase_name(key)} {'all' if value is None else value}" for key, value in limits.items()))


def part_name(name: str) -> str:
    """How people read the name of a part of a batch."""
    return "rest: own code, framework" if name == REST else phase_name(name)


@dataclass(frozen=True)
class PartRow:
    """Mean exclusive seconds a batch of one part; `share` is of the mean batch. `key` is its name in the report."""

    key: str
    name: str
    seconds: float
    share: float


def part_rows(loop: LoopStatistics) -> list[PartRow]:
    """Where a batch of the loop goes, the largest part first, and what no part explains; warm-up batches left out.

    Means, not medians: only means of exclusive parts add up to the mean of the whole.
    """
    batches = loop.batch_seconds[loop.num_warmup :]
    if not batches or not loop.parts:
        return []
    batch_mean = statistics.fmean(batches)
    means = {name: sum(values[loop.num_warmup :]) / len(batches) for name, values in loop.parts.items()}
    rows = [PartRow(name, part_name(name), mean, mean / batch_mean) for name, mean in means.items() if mean > 0]
    rows.sort(key=lambda row: (row.key != REST, row.seconds), reverse=True)
    rest = batch_mean - sum(means.values())
    if rest > 0.005 * batch_mean:
        rows.append(PartRow("", "not attributed", rest, rest / batch_mean))
    return rows
