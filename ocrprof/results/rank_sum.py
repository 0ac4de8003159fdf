"""Two independent samples: the exact rank-sum test, and the shift between them with its interval.

After Wilcoxon, Mann and Whitney; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, chapter 4.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import median

_DOUBLED = 2
"""Midranks of ties are halves: twice a rank is whole, so that sums are exact."""


def p_greater(base: Sequence[float], candidate: Sequence[float]) -> float:
    """Chance of a rank sum of the candidate this high or higher if all values were of one source; 1 where one is empty.

    Over every way to choose which values are the candidate's, ties by midranks: exact whatever the distribution.
    """
    if not base or not candidate:
        return 1.0
    ranks = _doubled_ranks([*base, *candidate])
    observed = sum(ranks[len(base) :])
    ways = _sums(ranks, size=len(candidate))
    reaching = sum(count for total, count in ways.items() if total >= observed)
    return reaching / math.comb(len(ranks), len(candidate))


def smallest_p(num_base: int, num_candidate: int) -> float:
    """The least that `p_greater` can come to, at complete separation."""
    return 1 / math.comb(num_base + num_candidate, num_candidate)


def shift(base: Sequence[float], candidate: Sequence[float]) -> float:
    """Hodges-Lehmann: the median of all differences, candidate less base. Neither may be empty."""
    return median(_differences(base, candidate))


def shift_interval(base: Sequence[float], candidate: Sequence[float], *, level: float) -> tuple[float, float] | None:
    """Two-sided interval of the shift by order statistics of the differences; covers at least `level`.

    None where so few values cannot give this level.
    """
    rank = _rank(len(base), len(candidate), (1 - level) / 2)
    if rank is None:
        return None
    found = _differences(base, candidate)
    return found[rank - 1], found[-rank]


def upper_bound(base: Sequence[float], candidate: Sequence[float], *, level: float) -> float | None:
    """One-sided bound that the shift stays below with `level`; None where so few values cannot give it."""
    rank = _rank(len(base), len(candidate), 1 - level)
    return None if rank is None else _differences(base, candidate)[-rank]


def _differences(base: Sequence[float], candidate: Sequence[float]) -> list[float]:
    return sorted(after - before for before in base for after in candidate)


def _rank(num_base: int, num_candidate: int, tail: float) -> int | None:
    """The largest k for which the Mann-Whitney count stays below k with a chance of at most `tail`; None for none."""
    if not num_base or not num_candidate:
        return None
    ranks = list(range(_DOUBLED, _DOUBLED * (num_base + num_candidate) + 1, _DOUBLED))
    ways = _sums(ranks, size=num_candidate)
    limit = tail * (1 + 1e-9) * math.comb(num_base + num_candidate, num_candidate)
    least = num_candidate * (num_candidate + 1)
    total, rank = 0, 0
    for count_below in range(num_base * num_candidate + 1):
        total += ways.get(least + _DOUBLED * count_below, 0)
        if total > limit:
            break
        rank += 1
    return rank or None


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0] * len(values)
    start = 0
    for _, group in groupby(order, key=lambda index: values[index]):
        tied = list(group)
        for index in tied:
            ranks[index] = 2 * start + len(tied) + 1
        start += len(tied)
    return ranks


def _sums(ranks: Sequence[int], *, size: int) -> dict[int, int]:
    """How many sets of `size` of the ranks have each sum."""
    by_size: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]
    for rank in ranks:
        for num in range(size, 0, -1):
            into = by_size[num]
            for total, count in by_size[num - 1].items():
                into[total + rank] = into.get(total + rank, 0) + count
    return by_size[size]
