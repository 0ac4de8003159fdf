"""`starved`: training waits for data.

Judged by what was measured: the time that the training loop was blocked in fetching its next batch, as a share of its
batches, warm-up left out. Below 5 % a loop is not bound by its input, from 20 % on highly so (the scale of the
input-pipeline analyses of TensorFlow's and PyTorch's profilers). Means, not medians: batches of several workers come in
bursts, and the median wait of a starved loop can be zero.
"""

from statistics import fmean

from ocrprof.findings.judging import finding
from ocrprof.findings.validation import loop_named
from ocrprof.results.model import BaselineReport, Finding, LoopStatistics
from ocrprof.units import format_percent, format_seconds

_MIN_SHARE = 0.05
_MIN_SECONDS = 0.05
_MIN_BATCHES = 4


def starved(report: BaselineReport) -> list[Finding]:
    """A finding where training waited for its data for 5 % of the time or more."""
    loop = loop_named(report.loops, "train")
    if loop is None or len(loop.batch_seconds) - loop.num_warmup < _MIN_BATCHES:
        return []
    waits = loop.parts.get("fetch", [])[loop.num_warmup :]
    total = sum(loop.batch_seconds[loop.num_warmup :])
    if sum(waits) < max(_MIN_SECONDS, _MIN_SHARE * total):
        return []
    share = sum(waits) / total
    return [
        finding(
            "starved",
            f"Training waits for data for {format_percent(share)} of the time",
            seconds=sum(waits),
            of_seconds=total,
            location=loop.part_locations.get("fetch"),
            evidence={
                "wait_a_batch_seconds": fmean(waits),
                "batch_seconds": total / len(waits),
                "num_batches": len(waits),
                "num_workers": loop.num_workers,
                "num_cores_usable": report.environment.num_cores_usable,
            },
            advice=_advice(loop, share, fmean(waits), report.environment.num_cores_usable),
        )
    ]


def _advice(loop: LoopStatistics, share: float, wait: float, num_cores: float) -> str:
    bound = f"a loader that never kept it waiting would make it {1 / (1 - share):.2f} × as fast, at most"
    if loop.num_workers == 0:
        return (
            f"The main process loads every batch itself (num_workers=0), {format_seconds(wait)} each, while the model"
            f" waits; {bound}. Set num_workers to 1 or more, up to the {num_cores:g} usable cores."
        )
    have = f"Its loader (num_workers={loop.num_workers}) does not keep up"
    spare = (loop.num_workers or 0) < num_cores
    how = (
        f"Try more workers (there are {num_cores:g} usable cores), and make a sample cheaper to load"
        if spare
        else f"With {num_cores:g} usable cores more workers will not help: make a sample cheaper to load"
    )
    return f"{have}: {format_seconds(wait)} of waiting a batch; {bound}. {how}."
