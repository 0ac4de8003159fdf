"""Where a series of measurements changed for good: E-divisive, and how surely the place is known.

Matteson and James, "A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data", JASA 109 (2014).
Nothing is assumed of the noise but that sessions of equal code could have come in any order. Standard library only.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import add, itemgetter

MIN_SESSIONS = 3
"""On both sides of a change: the last point alone is no change yet."""

_NUM_PERMUTATIONS = 1999
_ROUNDING = 1e-9
"""Sums of the same distances in another order differ by less; such a permutation counts as equal."""


def fewest_values(level: float) -> int:
    """So many values a series needs before any change in it can have a p of `level`.

    Of the ways to share n values out to two halves, two are as far apart as a perfect step.
    """
    num = 2 * MIN_SESSIONS
    while 2 / math.comb(num, num // 2) > level:
        num += 1
    return num


@dataclass(frozen=True, kw_only=True)
class Split:
    """The place of the first value after a change, and the p value of the permutation test."""

    index: int
    p: float


def find_splits(
    values: Sequence[float], *, level: float, seed: int, min_size: int = MIN_SESSIONS, most: int = _NUM_PERMUTATIONS
) -> list[Split]:
    """Every split of `values`, in order, that is found with p up to `level`; at least `min_size` values lie between.

    Each step looks for the strongest split of all pieces so far and permutes the values within these pieces, `most`
    times or until p can no longer come down to `level`.
    """
    if min_size < 2:
        raise ValueError("a spread needs two values")
    distances = [[abs(one - other) for other in values] for one in values]
    generator = random.Random(f"changes/{seed}")
    found: list[Split] = []
    while True:
        bounds = [0, *sorted(split.index for split in found), len(values)]
        pieces = [list(range(first, last)) for first, last in pairwise(bounds) if last - first >= 2 * min_size]
        strongest, index = max((_strongest(distances, piece, min_size) for piece in pieces), default=(0.0, 0))
        if strongest <= 0:
            break
        p = _p_value(strongest, distances, pieces, level=level, generator=generator, min_size=min_size, most=most)
        if p > level:
            break
        found.append(Split(index=index, p=p))
    return sorted(found, key=lambda split: split.index)


def _strongest(distances: Sequence[Sequence[float]], order: Sequence[int], min_size: int) -> tuple[float, int]:
    """The largest statistic over all splits of the values in this order, and the value that the split comes before.

    Energy distance with exponent 1 of the values before the split and of those after it up to any end, times mn/(m+n).
    """
    num = len(order)
    pick = itemgetter(*order)
    above = [0.0] * (num + 1)
    # sums[i][j]: of all distances between the first i and the first j values.
    sums = [above]
    for index in order:
        above = list(map(add, above, accumulate(pick(distances[index]), initial=0.0)))
        sums.append(above)
    whole = [row[place] for place, row in enumerate(sums)]
    best, place = 0.0, min_size
    for split in range(min_size, num - min_size + 1):
        row, left = sums[split], whole[split]
        within_left = left / (split - 1)
        for end in range(split + min_size, num + 1):
            length, between = end - split, row[end] - left
            within_right = (whole[end] - row[end] - between) / (length - 1)
            strength = (2 * between - within_left * length - within_right * split) / end
            if strength > best:
                best, place = strength, split
    return best, order[place]


def _p_value(
    observed: float,
    distances: Sequence[Sequence[float]],
    pieces: Sequence[Sequence[int]],
    *,
    level: float,
    generator: random.Random,
    min_size: int,
    most: int,
) -> float:
    """The share of orders, the observed one included, with as strong a split in any piece; above `level` a bound."""
    allowed = math.floor(level * (most + 1) + _ROUNDING) - 1
    exceeded = 0
    for number in range(1, most + 1):
        strongest = 0.0
        for piece in pieces:
            order = list(piece)
            generator.shuffle(order)
            strongest = max(strongest, _strongest(distances, order, min_size)[0])
        if strongest >= observed * (1 - _ROUNDING):
            exceeded += 1
            if exceeded > allowed:
                return (1 + exceeded) / (1 + number)
    return (1 + exceeded) / (1 + most)


def likely_splits(values: Sequence[float], split: int, *, share: float = 0.95) -> tuple[int, int]:
    """The first and the last index that a single change of level may have, with a probability of `share` together.

    The posterior of the place for normal noise of one unknown deviation and no prior knowledge (Smith, "A Bayesian
    approach to inference about a change-point in a sequence of random variables", Biometrika 62, 1975). `split`, the
    estimate, is always among them.
    """
    num = len(values)
    logs = {}
    for index in range(1, num):
        left, right = values[:index], values[index:]
        rest = _squares(left) + _squares(right)
        if rest <= 0:
            return split, split
        logs[index] = -(math.log(index) + math.log(num - index) + (num - 2) * math.log(rest)) / 2
    highest = max(logs.values())
    weights = {index: math.exp(log - highest) for index, log in logs.items()}
    total, covered, chosen = sum(weights.values()), 0.0, [split]
    for index in sorted(weights, key=lambda one: -weights[one]):
        if covered >= share * total:
            break
        chosen.append(index)
        covered += weights[index]
    return min(chosen), max(chosen)


def _squares(values: Sequence[float]) -> float:
    """Sum of the squared deviations from the mean."""
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)
