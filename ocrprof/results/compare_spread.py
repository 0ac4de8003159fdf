"""Two samples side by side: the interval of their difference, and whether a change lies inside the noise."""

import random
import statistics
from collections.abc import Callable, Sequence

from ocrprof.results.model import ComparedFigure
from ocrprof.results.stats import bootstrap_ci95, percentile, standard_deviation

MIN_RUNS = 3
"""Below three runs on a side nothing is known of the spread."""

_NUM_RESAMPLES = 2000
_NUM_DEVIATIONS = 2.0


def difference_ci95(
    base: Sequence[float],
    candidate: Sequence[float],
    *,
    center: Callable[[Sequence[float]], float] = statistics.median,
) -> tuple[float, float] | None:
    """Percentile-bootstrap 95 % interval of the difference of the centers, candidate less base; None below three.

    Each side is resampled by itself (Efron and Tibshirani 1993, 8.3). Of very few runs it covers less often than its
    name says: whether a build fails is decided by an exact test, never by this. `center` is that of which the
    difference is told: the median, or where parts have to add up the mean.
    """
    if min(len(base), len(candidate)) < MIN_RUNS:
        return None
    generator = random.Random(0)
    differences = sorted(
        center(generator.choices(candidate, k=len(candidate))) - center(generator.choices(base, k=len(base)))
        for _ in range(_NUM_RESAMPLES)
    )
    return percentile(differences, 2.5), percentile(differences, 97.5)


def is_inside(interval: tuple[float, float] | None) -> bool | None:
    """Whether no change lies in the interval of a difference; None without one."""
    return None if interval is None else interval[0] <= 0 <= interval[1]


def noise_of_one_run(base: Sequence[float], candidate: Sequence[float]) -> float | None:
    """How far one run of each side may be apart by chance: two standard deviations; None below three runs."""
    if min(len(base), len(candidate)) < MIN_RUNS:
        return None
    deviations = [standard_deviation(values) or 0.0 for values in (base, candidate)]
    return float(_NUM_DEVIATIONS * sum(one**2 for one in deviations) ** 0.5)


def figure(
    name: str, base: Sequence[float], candidate: Sequence[float], *, unit: str = "seconds"
) -> ComparedFigure | None:
    """Medians with their intervals; None where neither side has the figure."""
    if not base and not candidate:
        return None
    return ComparedFigure.model_validate(
        {
            "name": name,
            "unit": unit,
            "base": statistics.median(base) if base else None,
            "candidate": statistics.median(candidate) if candidate else None,
            "base_ci95": bootstrap_ci95(base),
            "candidate_ci95": bootstrap_ci95(candidate),
            "inside_noise": is_inside(difference_ci95(base, candidate)),
        }
    )


def single(name: str, base: float | None, candidate: float | None, *, unit: str = "seconds") -> ComparedFigure | None:
    """A figure that each side has once, so that nothing is known of its spread; None where neither side has it."""
    if base is None and candidate is None:
        return None
    return ComparedFigure.model_validate({"name": name, "unit": unit, "base": base, "candidate": candidate})


def known(figures: Sequence[ComparedFigure | None]) -> list[ComparedFigure]:
    """Those that at least one side has."""
    return [one for one in figures if one is not None]
