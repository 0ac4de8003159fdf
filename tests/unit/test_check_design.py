"""Orders of pairs, stopping, and how many pairs are needed to see what."""

import math
import random

import pytest
from checked import design, gaussian, info, launches, simulated

from ocrprof.errors import OcrprofError
from ocrprof.results.check_design import draw_order, is_futile, pairs_needed, resized_pairs, smallest_detectable
from ocrprof.results.signed_rank import hodges_lehmann, interval, upper_bound, walsh_averages
from ocrprof.results.student_t import t_cdf, t_quantile, t_test_power

# (sd of the pairs' log ratios, pairs for +10 %, percent seen by 12, 20 and 28 pairs), rounded up to half percents:
# 20 metrics at 1 %, gate 5 %, power 95 %.
OPERATING = [
    (0.02, 6, (6.5, 6.0, 6.0)),
    (0.03, 8, (7.0, 6.5, 6.0)),
    (0.04, 10, (8.0, 7.0, 6.5)),
    (0.05, 13, (10.5, 7.0, 7.0)),
    (0.06, 16, (12.5, 8.5, 7.0)),
    (0.08, 23, (17.0, 11.0, 9.0)),
    (0.10, 33, (21.5, 14.0, 11.0)),
    (0.12, 45, (26.0, 17.0, 13.5)),
]


@pytest.mark.parametrize("seed", range(5))
def test_orders_are_balanced_in_the_first_stage_and_in_every_two_pairs_after_it(seed):
    order = draw_order(num_pairs_first=10, num_pairs_max=28, seed=seed)
    assert len(order) == 28
    for num_pairs in range(10, 29, 2):
        assert sum(order[:num_pairs]) == 0


def test_an_order_is_drawn_from_its_seed():
    assert draw_order(num_pairs_first=10, num_pairs_max=28, seed=1) == draw_order(
        num_pairs_first=10, num_pairs_max=28, seed=1
    )
    drawn = {tuple(draw_order(num_pairs_first=10, num_pairs_max=10, seed=seed)) for seed in range(2000)}
    assert len(drawn) > 240, "nearly all of the 252 come up"


@pytest.mark.parametrize("first, most", [(8, 28), (11, 28), (10, 27), (12, 10)])
def test_numbers_of_pairs_that_cannot_be_tested_are_refused(first, most):
    with pytest.raises(OcrprofError):
        draw_order(num_pairs_first=first, num_pairs_max=most, seed=1)


def test_a_slowdown_of_two_percent_with_little_noise_is_worth_more_pairs():
    plan = design()
    generator = random.Random(1)
    for slowdown, futile in ((0.0, True), (0.10, False), (-0.10, True)):
        slow = {"wall_seconds": slowdown}
        run = simulated(plan.order[:10], noise=gaussian(generator, 1, sd=0.003), slowdowns=slow)
        assert is_futile(run, [info()], plan) is futile


def test_a_slowdown_within_the_noise_is_not_worth_more_pairs():
    plan = design()
    base = [{"wall_seconds": 10.0}] * 10
    candidate = [{"wall_seconds": 10 * math.exp(0.03 + 0.25 * (-1) ** index)} for index in range(10)]
    assert is_futile(launches(plan.order[:10], base, candidate), [info()], plan)


def test_what_is_not_gated_or_below_its_floor_does_not_keep_a_check_going():
    plan = design()
    run = simulated(plan.order[:10], noise=lambda moment: [0.0], slowdowns={"wall_seconds": 0.2}, center=0.01)
    assert not is_futile(run, [info()], plan)
    assert is_futile(run, [info(gated=False)], plan)
    assert is_futile(run, [info(floor=0.05)], plan)


@pytest.mark.parametrize("sd, pairs, seen", OPERATING)
def test_pairs_and_smallest_slowdowns_are_those_of_the_operating_table(sd, pairs, seen):
    assert pairs_needed(sd, alpha=0.01 / 20) == pairs
    for num_pairs, percent in zip((12, 20, 28), seen, strict=True):
        assert 100 * smallest_detectable(sd, num_pairs, alpha=0.01 / 20) == pytest.approx(percent, abs=0.5)


def test_a_margin_costs_pairs_and_noise_without_end_needs_no_number():
    plain = pairs_needed(0.06, alpha=0.0005)
    assert pairs_needed(0.06, alpha=0.0005, min_effect=0.0, boundary=0.03) > plain
    assert pairs_needed(3.0, alpha=0.0005) is None
    assert smallest_detectable(0.01, 28, alpha=0.0005, min_effect=0.0, boundary=0.03) > 0.03
    assert smallest_detectable(0.05, 2, alpha=0.0005) is None


@pytest.mark.parametrize("sd, pairs", [(0.005, 10), (0.04, 12), (0.3, 28)])
def test_pairs_are_resized_by_the_noise_within_the_design(sd, pairs):
    """20 metrics would do as well; with one, the table's row for 4 % needs fewer."""
    plan, generator = design(), random.Random(3)
    found = [
        resized_pairs(
            simulated(plan.order[:10], noise=gaussian(generator, 1, sd=sd / math.sqrt(2)), slowdowns={"a": 0.0}),
            [info("a")],
            plan,
        )
        for _ in range(15)
    ]
    assert sorted(found)[7] <= pairs + 2
    assert all(num % 2 == 0 and 10 <= num <= 28 for num in found)
    assert sd < 0.3 or set(found) == {28}


def test_resizing_does_not_know_which_arm_is_which():
    plan, generator = design(), random.Random(5)
    run = simulated(plan.order[:10], noise=gaussian(generator, 1, sd=0.04), slowdowns={"a": 0.1})
    other = {"base": "candidate", "candidate": "base"}
    swapped = [one if one.pair % 3 else one.model_copy(update={"arm": other[one.arm]}) for one in run]
    assert resized_pairs(run, [info("a")], plan) == resized_pairs(swapped, [info("a")], plan)


def test_a_metric_below_its_floor_does_not_ask_for_pairs():
    plan, generator = design(), random.Random(6)
    run = simulated(plan.order[:10], noise=gaussian(generator, 1, sd=0.3), slowdowns={"a": 0.0}, center=0.01)
    assert resized_pairs(run, [info("a")], plan) == 28
    assert resized_pairs(run, [info("a", floor=0.05)], plan) == 10


@pytest.mark.parametrize(
    "probability, df, value",
    # Tables of Student's t, as in Abramowitz and Stegun 26.10.
    [(0.975, 1, 12.706), (0.975, 2, 4.303), (0.95, 5, 2.015), (0.9995, 11, 4.437), (0.9995, 27, 3.690)],
)
def test_quantiles_of_t_are_those_of_the_tables(probability, df, value):
    assert t_quantile(probability, df) == pytest.approx(value, abs=6e-4)
    assert t_cdf(value, df) == pytest.approx(probability, abs=1e-5)
    assert t_quantile(1 - probability, df) == pytest.approx(-value, abs=6e-4)


@pytest.mark.parametrize(
    "effect, num_pairs, alpha, power",
    # Cohen, Statistical Power Analysis (1988), and R: power.t.test(n, delta, sd = 1, type = "paired",
    # alternative = "one.sided").
    [(0.0, 12, 0.05, 0.05), (0.5, 20, 0.05, 0.695), (0.5, 27, 0.05, 0.812), (1.0, 10, 0.05, 0.897)],
)
def test_power_of_the_paired_t_test_is_that_of_the_tables(effect, num_pairs, alpha, power):
    assert t_test_power(effect, 1.0, num_pairs, alpha=alpha, gate=-1e9) == pytest.approx(power, abs=0.003)


def test_without_noise_a_slowdown_is_seen_or_is_below_the_gate():
    assert t_test_power(0.1, 0.0, 10, alpha=0.01, gate=0.05) == 1.0
    assert t_test_power(0.04, 0.0, 10, alpha=0.01, gate=0.05) == 0.0


def test_hodges_lehmann_by_hand():
    assert walsh_averages([1.0, 3.0, 8.0]) == [1.0, 2.0, 3.0, 4.5, 5.5, 8.0]
    assert hodges_lehmann([1.0, 3.0, 8.0]) == 3.75


def test_intervals_take_the_order_statistics_of_wilcoxons_tables():
    """Critical sums of the signed-rank test, two-sided 5 %: 8 of ten pairs and 52 of twenty."""
    for num_values, critical in ((6, 0), (10, 8), (20, 52)):
        values = [float(2**index) for index in range(num_values)]
        averages = walsh_averages(values)
        assert interval(values, level=0.95) == (averages[critical], averages[-critical - 1])
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], level=0.95) is None
    assert upper_bound([1.0, 2.0, 3.0, 4.0, 5.0], level=0.95) == 5.0
    assert upper_bound([1.0, 2.0, 3.0, 4.0], level=0.95) is None


def test_intervals_cover_the_centre_as_often_as_they_say():
    generator, num_trials = random.Random(9), 800
    covered = 0
    for _ in range(num_trials):
        bounds = interval([generator.gauss(0.1, 1) for _ in range(12)], level=0.95)
        covered += bounds[0] <= 0.1 <= bounds[1]
    # Exact for 12 values: the level next above 95 % is 95.75 %.
    assert 0.94 <= covered / num_trials <= 0.975
