"""The exact rank-sum test against every arrangement counted out, and numbers known from tables."""

import random
from itertools import combinations
from statistics import median

import pytest

from ocrprof.results.rank_sum import p_greater, shift, shift_interval, smallest_p, upper_bound


def midranks(values):
    return [sum(other < one for other in values) + (values.count(one) + 1) / 2 for one in values]


def counted_out(base, candidate):
    ranks = midranks([*base, *candidate])
    observed = sum(ranks[len(base) :])
    ways = list(combinations(ranks, len(candidate)))
    return sum(sum(way) >= observed for way in ways) / len(ways)


@pytest.mark.parametrize("seed", range(20))
def test_p_is_the_share_of_all_arrangements_that_reach_the_rank_sum(seed):
    generator = random.Random(seed)
    base = [float(generator.randrange(6)) for _ in range(generator.randrange(1, 6))]
    candidate = [float(generator.randrange(6)) for _ in range(generator.randrange(1, 6))]
    assert p_greater(base, candidate) == pytest.approx(counted_out(base, candidate))


def test_complete_separation_has_the_least_p_that_there_is():
    assert p_greater([1, 2, 3], [4, 5, 6]) == smallest_p(3, 3) == 1 / 20
    assert p_greater([4, 5, 6], [1, 2, 3]) == 1
    assert smallest_p(5, 5) == 1 / 252
    assert p_greater([], [1.0]) == 1


def test_a_known_example():
    """Hollander, Wolfe and Chicken, example 4.1: permeability of membranes, W = 30, one-sided p = 0.127."""
    at_term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    early = [1.15, 0.88, 0.90, 0.74, 1.21]
    assert p_greater(early, at_term) == pytest.approx(0.127, abs=0.0005)
    assert shift(early, at_term) == pytest.approx(0.305, abs=0.001)


def test_under_no_change_p_is_small_no_more_often_than_it_says():
    generator = random.Random(3)
    values = [
        p_greater([generator.random() for _ in range(5)], [generator.random() for _ in range(6)]) for _ in range(2000)
    ]
    assert sum(p <= 0.01 for p in values) / len(values) <= 0.02
    assert sum(p <= 0.1 for p in values) / len(values) == pytest.approx(0.1, abs=0.03)


def test_the_interval_covers_the_shift_as_often_as_it_says():
    generator = random.Random(5)
    hits = above = 0
    for _ in range(500):
        base = [generator.gauss(0, 1) for _ in range(6)]
        candidate = [generator.gauss(0.7, 1) for _ in range(6)]
        low, high = shift_interval(base, candidate, level=0.95)
        hits += low <= 0.7 <= high
        above += upper_bound(base, candidate, level=0.95) >= 0.7
        assert shift(base, candidate) == pytest.approx(median(b - a for a in base for b in candidate))
    assert hits >= 460
    assert above >= 460


def test_too_few_values_give_no_interval():
    assert shift_interval([1, 2], [3, 4], level=0.95) is None
    assert shift_interval([1, 2, 3, 4], [3, 4, 5, 6], level=0.95) is not None
    assert upper_bound([1], [2], level=0.95) is None
