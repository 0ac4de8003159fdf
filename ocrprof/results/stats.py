"""Median, spread and percentiles of raw samples. Standard library only, and the same seed gives the same interval."""

import random
import statistics
from collections.abc import Sequence

from ocrprof.results.model import Statistic

_MIN_FOR_INTERVAL = 3
_NUM_RESAMPLES = 2000


def statistic(values: Sequence[float]) -> Statistic:
    """Median, MAD and interval of `values`, which must not be empty."""
    return Statistic(median=statistics.median(values), mad=mad(values), ci95=bootstrap_ci95(values), n=len(values))


def mad(values: Sequence[float]) -> float:
    """Median of the absolute deviations from the median, not scaled to a standard deviation."""
    center = statistics.median(values)
    return statistics.median(abs(value - center) for value in values)


def bootstrap_ci95(values: Sequence[float], *, seed: int = 0) -> tuple[float, float] | None:
    """Percentile-bootstrap 95 % interval of the median (Efron 1979); None below three values.

    With very few values it can be no wider than their range, and covers less often than its name says.
    """
    if len(values) < _MIN_FOR_INTERVAL:
        return None
    generator = random.Random(seed)
    medians = sorted(statistics.median(generator.choices(values, k=len(values))) for _ in range(_NUM_RESAMPLES))
    return percentile(medians, 2.5), percentile(medians, 97.5)


def percentile(values: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0 to 100) by linear interpolation between order statistics.

    Definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996); NumPy's default.
    """
    ordered = sorted(values)
    position = (len(ordered) - 1) * q / 100
    below = min(int(position), len(ordered) - 1)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def standard_deviation(values: Sequence[float]) -> float | None:
    """Sample standard deviation (divisor n - 1); None below two values."""
    return statistics.stdev(values) if len(values) > 1 else None
