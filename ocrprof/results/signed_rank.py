"""The centre of paired differences and its interval, after Hodges, Lehmann, Wilcoxon and Tukey."""

from collections.abc import Sequence
from functools import lru_cache
from statistics import median


def walsh_averages(values: Sequence[float]) -> list[float]:
    """Means of every value with itself and each later one, sorted: n (n + 1) / 2 of them."""
    return sorted((one + other) / 2 for index, one in enumerate(values) for other in values[index:])


def hodges_lehmann(values: Sequence[float]) -> float:
    """Median of the Walsh averages: the estimate that belongs to the signed-rank test. `values` must not be empty."""
    return median(walsh_averages(values))


def interval(values: Sequence[float], *, level: float) -> tuple[float, float] | None:
    """Two-sided interval of the centre by order statistics of the Walsh averages; covers at least `level`.

    Exact for independent differences that are symmetric about it (Hollander, Wolfe and Chicken, Nonparametric
    Statistical Methods, section 3.3). None where so few values cannot give this level.
    """
    rank = _rank(len(values), (1 - level) / 2)
    if rank is None:
        return None
    averages = walsh_averages(values)
    return averages[rank - 1], averages[-rank]


def upper_bound(values: Sequence[float], *, level: float) -> float | None:
    """One-sided bound that the centre stays below with `level`; None where so few values cannot give it."""
    rank = _rank(len(values), 1 - level)
    return None if rank is None else walsh_averages(values)[-rank]


def _rank(num_values: int, tail: float) -> int | None:
    """The largest k for which the signed-rank sum stays below k with a chance of at most `tail`; None for none."""
    limit = tail * (1 + 1e-9) * 2**num_values
    total, rank = 0, 0
    for count in _sum_counts(num_values):
        total += count
        if total > limit:
            break
        rank += 1
    return rank or None


@lru_cache(maxsize=256)
def _sum_counts(num_values: int) -> tuple[int, ...]:
    """How many of the 2^n sets of the ranks 1 to n have each sum, from 0 to n (n + 1) / 2."""
    counts = [1]
    for rank in range(1, num_values + 1):
        longer = counts + [0] * rank
        for total, count in enumerate(counts):
            longer[total + rank] += count
        counts = longer
    return tuple(counts)
