"""How long a training step takes without its data, from a measured run."""

import statistics
from dataclasses import dataclass

from ocrprof.errors import OcrprofError
from ocrprof.results.model import BaselineReport, LoopStatistics
from ocrprof.results.stats import percentile
from ocrprof.units import format_seconds


@dataclass(frozen=True)
class StepTimes:
    """Seconds of each step after warm-up, the time blocked in fetching its batch taken off; `source` says whence."""

    samples: tuple[float, ...]
    source: str

    @property
    def median_seconds(self) -> float:
        """Of one step."""
        return statistics.median(self.samples)


def steps_of_baseline(report: BaselineReport, *, name: str) -> StepTimes:
    """The steps of a baseline's training run. Raises OcrprofError where it has none."""
    times = steps_of_loops(report.loops, source=f"{name}, median of its steps without the fetch")
    if times is None:
        raise OcrprofError(
            f"{name} holds no training step whose fetch was timed", hint="ocrprof baseline writes such a report"
        )
    return times


def steps_of_loops(loops: list[LoopStatistics], *, source: str) -> StepTimes | None:
    """The training steps among these loops; None where the fetch was not timed, or nothing is left after warm-up."""
    loop = next((one for one in loops if one.name == "train"), None)
    if loop is None or "fetch" not in loop.parts:
        return None
    pairs = list(zip(loop.batch_seconds, loop.parts["fetch"], strict=False))[loop.num_warmup :]
    samples = tuple(batch - fetch for batch, fetch in pairs if batch > fetch)
    if not samples:
        return None
    low, high = (format_seconds(percentile(samples, q)) for q in (5, 95))
    return StepTimes(samples, f"{source}, of which 90 % took {low} to {high}")
