"""The family-wise randomisation test: its size whatever the noise, and what it makes of known numbers."""

import math
import random
from itertools import combinations

import pytest
from checked import fewest_successes, most_successes

from ocrprof.results import randomisation
from ocrprof.results.check_design import block_of, draw_order
from ocrprof.results.randomisation import max_t_test, signed_ranks

NUM_METRICS = 6


def blocks(num_pairs: int, first: int = 10) -> list[int]:
    return [block_of(pair, num_pairs_first=first) for pair in range(1, num_pairs + 1)]


def heavy_tails(generator):
    """Cauchy-like spikes in each launch, apart from each other in every metric."""
    return lambda moment: [0.02 * math.tan(math.pi * (generator.random() - 0.5)) for _ in range(NUM_METRICS)]


def drift(generator):
    """The machine gets slower all the time, and jumps once."""
    jump, level = generator.randrange(20), generator.random() * 0.5
    return lambda moment: [
        0.02 * moment + (level if moment > jump else 0.0) + generator.gauss(0, 0.03) for _ in range(NUM_METRICS)
    ]


def alike(generator):
    """All metrics share nearly all their noise, which is skewed."""

    def noise(moment):
        shared = generator.expovariate(10)
        return [shared + generator.gauss(0, 0.005) for _ in range(NUM_METRICS)]

    return noise


def alternating(generator):
    """Every second launch finds a busy neighbour."""
    phase = generator.randrange(2)
    return lambda moment: [0.2 * ((moment + phase) % 2) + generator.gauss(0, 0.02) for _ in range(NUM_METRICS)]


def apart(generator):
    return lambda moment: [generator.gauss(0, 0.05) for _ in range(NUM_METRICS)]


def shifts_of(noise, num_pairs: int, *, second: float = 0.0) -> list[list[float]]:
    """e of every pair and metric, without any difference between the arms."""
    pairs = [(noise(2 * index), noise(2 * index + 1)) for index in range(num_pairs)]
    return [[later[metric] + second - earlier[metric] for earlier, later in pairs] for metric in range(NUM_METRICS)]


@pytest.mark.parametrize("noise", [heavy_tails, drift, alike, alternating, apart])
@pytest.mark.parametrize("second", [0.0, 0.08])
def test_any_metric_is_called_slower_at_most_as_often_as_alpha_whatever_the_noise(noise, second):
    generator = random.Random(f"{noise.__name__}/{second}")
    num_trials, alpha = 160, 0.05
    slower = faster = 0
    for trial in range(num_trials):
        order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=generator.randrange(10**9))
        test = max_t_test(shifts_of(noise(generator), 10, second=second), order, blocks(10), seed=trial)
        slower += min(test.slower) <= alpha
        faster += min(test.faster) <= alpha
    assert slower <= most_successes(num_trials, alpha)
    assert faster <= most_successes(num_trials, alpha)


def test_the_size_is_used_where_the_metrics_are_independent():
    """A test that never rejects would pass the one above."""
    generator = random.Random(4)
    num_trials, alpha, rejected = 250, 0.2, 0
    for trial in range(num_trials):
        order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=trial)
        test = max_t_test(shifts_of(apart(generator), 10), order, blocks(10), seed=trial)
        rejected += min(test.slower) <= alpha
    assert rejected >= fewest_successes(num_trials, alpha - 1 / 252)


def test_a_perfectly_separated_metric_has_one_order_in_all_of_them():
    order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=5)
    slower = [sign * 0.1 for sign in order]
    test = max_t_test([slower], order, blocks(10), seed=0)
    assert test.num_orders == math.comb(10, 5)
    assert test.slower == [1 / 252]
    assert test.faster == [1.0]


def test_p_counts_the_orders_that_reach_the_statistic_by_hand():
    order = [1, -1, 1, -1, -1, 1]
    shifts = [0.05, -0.02, -0.01, 0.03, -0.07, 0.04]
    ranks = [5, -2, -1, 3, -6, 4]

    def statistic(signs):
        rank = sum(a * r for a, r in zip(signs, ranks, strict=True)) / math.sqrt(sum(r * r for r in ranks))
        mean = sum(a * e for a, e in zip(signs, shifts, strict=True)) / math.sqrt(sum(e * e for e in shifts))
        return max(rank, mean)

    every = [[1 if index in chosen else -1 for index in range(6)] for chosen in combinations(range(6), 3)]
    reaching = sum(statistic(signs) >= statistic(order) - 1e-12 for signs in every)
    assert signed_ranks(shifts) == ranks
    assert max_t_test([shifts], order, [0] * 6, seed=0).slower == [reaching / 20]


def test_one_wild_launch_does_not_hide_a_slowdown_of_all_others():
    order = draw_order(num_pairs_first=14, num_pairs_max=14, seed=5)
    shifts = [sign * (0.1 + 0.001 * index) for index, sign in enumerate(order)]
    shifts[3] = -order[3] * 3.0
    # The sum of the shifts themselves has the sign of the wild one under every order: by it p is 0.5.
    assert max_t_test([shifts], order, blocks(14, first=14), seed=0).slower[0] < 0.01


def test_equal_sizes_share_their_ranks():
    assert signed_ranks([0.2, -0.2, 0.0, 0.5]) == [2.5, -2.5, 0.0, 4.0]


def test_gains_mirror_slowdowns():
    generator = random.Random(6)
    order = draw_order(num_pairs_first=10, num_pairs_max=14, seed=6)
    shifts = [[generator.gauss(0.02, 0.05) + 0.03 * sign for sign in order] for _ in range(3)]
    turned = [[-one for one in metric] for metric in shifts]
    test, mirrored = (max_t_test(one, order, blocks(14), seed=1) for one in (shifts, turned))
    assert test.slower == mirrored.faster
    assert test.faster == mirrored.slower


def test_drawn_orders_give_what_all_orders_give(monkeypatch):
    generator = random.Random(7)
    order = draw_order(num_pairs_first=14, num_pairs_max=14, seed=7)
    shifts = [[generator.gauss(0, 0.05) + effect * sign for sign in order] for effect in (0.03, 0.01, 0.0)]
    exact = max_t_test(shifts, order, blocks(14, first=14), seed=1)
    monkeypatch.setattr(randomisation, "MAX_ENUMERATED", 1)
    drawn = max_t_test(shifts, order, blocks(14, first=14), seed=1)
    assert (exact.num_orders, drawn.num_orders) == (math.comb(14, 7), 10_000)
    for one, other in zip(exact.slower + exact.faster, drawn.slower + drawn.faster, strict=True):
        assert abs(one - other) <= 4 * math.sqrt(one * (1 - one) / 9_999) + 1e-4


def test_orders_of_a_seed_are_the_same_again():
    order = draw_order(num_pairs_first=28, num_pairs_max=28, seed=1)
    shifts = [[random.Random(index).gauss(0, 1) for index in range(28)]]
    assert max_t_test(shifts, order, [0] * 28, seed=3) == max_t_test(shifts, order, [0] * 28, seed=3)
    assert max_t_test(shifts, order, [0] * 28, seed=3) != max_t_test(shifts, order, [0] * 28, seed=4)


def test_orders_are_exchanged_only_within_the_block_in_which_they_were_drawn():
    """Two blocks of two have four orders together; six if they were one."""
    order = [1, -1, -1, 1]
    shifts = [[1.0, -1.0, -1.0, 1.0]]
    assert max_t_test(shifts, order, [0, 0, 1, 1], seed=0).slower == [1 / 4]
    assert max_t_test(shifts, order, [0, 0, 0, 0], seed=0).slower == [1 / 6]


def test_a_pair_that_lacks_a_metric_weighs_nothing_in_it():
    order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=5)
    whole = [sign * (0.1 + 0.01 * index) for index, sign in enumerate(order)]
    test = max_t_test([[0.0, *whole[1:]]], order, blocks(10), seed=0)
    # Without the first pair, turning its sign changes nothing: twice as many orders, less those out of balance.
    assert 1 / 252 <= test.slower[0] <= 2 / 252


def test_a_margin_has_to_be_excluded_in_both_directions():
    order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=2)
    generator = random.Random(8)
    shifts = [[0.03 * sign + generator.gauss(0, 0.004) for sign in order]]
    plain = max_t_test(shifts, order, blocks(10), seed=0)
    beyond = max_t_test(shifts, order, blocks(10), seed=0, margin=0.03)
    assert plain.slower[0] <= 0.01 < beyond.slower[0]
    assert beyond.faster[0] > 0.5
    gains = [[-one for one in metric] for metric in shifts]
    assert max_t_test(gains, order, blocks(10), seed=0, margin=0.03).faster == beyond.slower


def test_nothing_to_test_rejects_nothing():
    assert max_t_test([], [1, -1], [0, 0], seed=0).slower == []
    assert max_t_test([[]], [], [], seed=0).slower == [1.0]
    order = draw_order(num_pairs_first=10, num_pairs_max=10, seed=5)
    assert max_t_test([[0.0] * 10], order, blocks(10), seed=0).slower == [1.0]
