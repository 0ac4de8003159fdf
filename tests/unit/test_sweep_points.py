"""What the trials of a sweep say of each setting."""

import math
import random

import pytest
from sweep_simulation import trial, waits

from ocrprof.results.model import Cost, Failure, LoaderSetting, SweepPoint, SweepTrial, WorkerStages
from ocrprof.results.sweep_comparisons import control_ratio, is_unstable, standings, wait_share
from ocrprof.results.sweep_points import build_points


def settings(*values: int) -> list[LoaderSetting]:
    return [LoaderSetting(num_workers=value) for value in values]


def point(trials: list[SweepTrial], value: int = 2) -> SweepPoint:
    return next(one for one in build_points(trials, settings(0, 1, 2, 4, 8)) if one.num_workers == value)


def test_a_point_averages_the_rounds_seconds_a_sample():
    found = point([trial(2, 0, 10.0), trial(2, 1, 30.0)])
    assert found.samples_per_sec == pytest.approx(15.0)  # not 20, the mean of the rates
    assert found.num_trials == 2


def test_an_interval_is_that_of_the_rounds_means_and_not_of_their_blocks():
    rounds = [trial(2, number, rate, spread=[0.99, 1.01] * 20) for number, rate in enumerate((95.0, 100.0, 105.0))]
    low, high = point(rounds).samples_per_sec_ci95 or (0, 0)
    costs = [1 / 95, 1 / 100, 1 / 105]
    mean = sum(costs) / 3
    spread = math.sqrt(sum((cost - mean) ** 2 for cost in costs) / 2)
    width = 4.30265 * spread / math.sqrt(3) / mean
    assert (low, high) == pytest.approx((math.exp(-width) / mean, math.exp(width) / mean), rel=1e-5)
    assert high / low > 1.2  # of 120 pooled blocks it would be 1.02


def test_one_round_has_no_interval_and_no_bound():
    found = point([trial(2, 0, 100.0), trial(4, 0, 150.0)])
    assert found.samples_per_sec_ci95 is None
    assert found.relative_to_best == pytest.approx(2 / 3)
    assert found.relative_to_best_low is None


def test_the_warm_up_of_a_trial_does_not_count():
    slow_start = [4.0, 2.0, 1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 1.0]
    assert point([trial(2, 0, 100.0, spread=slow_start)]).samples_per_sec == pytest.approx(100, rel=0.01)


def test_a_trial_that_still_moves_marks_its_point():
    assert point([trial(2, 0, 100.0, spread=[2 - 0.05 * block for block in range(20)])]).not_steady
    assert not point([trial(2, 0, 100.0)]).not_steady


def test_training_that_was_let_run_counts_in_place_of_the_blocks():
    assert point([trial(2, 0, 100.0, train_samples_per_sec=40.0)]).samples_per_sec == pytest.approx(40)


def test_second_visits_are_kept_out_of_the_point():
    trials = [trial(2, 0, 100.0), trial(2, 0, 50.0, control=True)]
    assert point(trials).samples_per_sec == pytest.approx(100)


def test_one_failing_round_makes_the_point_fail_and_keeps_its_figures_apart():
    failure = Failure(message="no space left on /dev/shm")
    trials = [trial(value, number, rate) for value, rate in ((2, 100.0), (4, 200.0)) for number in range(3)]
    trials[4] = trial(4, 1, 1.0, status="shm", failure=failure, blocks=[])
    found = point(trials, 4)
    assert (found.status, found.failure) == ("shm", failure)
    assert found.samples_per_sec == pytest.approx(200)
    assert found.relative_to_best is None
    assert point(trials, 2).relative_to_best == 1.0


def test_a_slow_exit_is_no_failure_and_an_interrupted_trial_is_no_trial():
    trials = [trial(2, 0, 100.0), trial(2, 1, 100.0, status="ok_slow_exit")]
    trials += [trial(2, 2, 1.0, status="interrupted", blocks=[]), trial(4, 2, 1.0, status="interrupted", blocks=[])]
    (found,) = build_points(trials, settings(2, 4))
    assert (found.status, found.num_trials, found.samples_per_sec) == ("ok_slow_exit", 2, pytest.approx(100))


def test_the_wait_is_the_sum_of_waits_over_the_sum_of_all_time():
    uneven = waits([0.5, 0.0])
    uneven = uneven.model_copy(update={"wait_seconds": [1.0, 0.0], "compute_seconds": [1.0, 8.0]})
    found = point([trial(2, 0, 100.0, waits=uneven), trial(2, 1, 100.0, waits=uneven)])
    assert found.wait_fraction == pytest.approx(0.1)  # the mean of the blocks' shares would be 0.25
    assert found.wait_fraction_high == pytest.approx(0.1)
    assert found.exposed_seconds == pytest.approx(1.0 / 20)


def test_the_waits_bound_is_that_of_the_rounds_and_covers():
    generator = random.Random(7)
    covered = 0
    for _ in range(300):
        shares = [0.1 + generator.gauss(0, 0.02) for _ in range(3)]
        trials = [
            trial(2, number, 100.0, waits=waits([share + generator.gauss(0, 0.01) for _ in range(6)]))
            for number, share in enumerate(shares)
        ]
        high = point(trials).wait_fraction_high
        covered += high is not None and high >= 0.1
    assert 0.93 * 300 <= covered <= 0.99 * 300


def test_the_bound_of_a_single_rounds_wait_is_that_of_its_blocks():
    share = wait_share([trial(2, 0, 100.0, waits=waits([0.1, 0.2, 0.3]))])
    assert share is not None and share.low is not None and share.high is not None
    assert share.low < share.mean < share.high
    assert wait_share([trial(2, 0, 100.0)]) is None


def test_starts_of_workers_are_told_with_their_slope():
    found = point([trial(2, 0, 100.0, worker_ready_seconds=[0.5, 0.9, 0.7], first_batch_seconds=1.5)])
    assert (found.first_worker_seconds, found.last_worker_seconds) == (0.5, 0.9)
    assert found.seconds_per_worker == pytest.approx(0.2)
    assert found.time_to_first_batch_seconds is not None
    assert found.time_to_first_batch_seconds.median == 1.5
    assert point([trial(2, 0, 100.0)]).seconds_per_worker is None


def test_costs_are_by_the_sample_and_peaks_are_those_of_the_worst_trial():
    cost = Cost(
        cpu_seconds_main=1.0,
        cpu_seconds_workers=3.0,
        num_samples=80,
        throttled_seconds=0.5,
        pss_peak_bytes=100,
        shm_peak_bytes=10,
        read_bytes=160,
        read_chars=800,
    )
    heavier = cost.model_copy(update={"pss_peak_bytes": 300, "cpu_seconds_workers": 5.0})
    found = point([trial(2, 0, 10.0, cost=cost), trial(2, 1, 10.0, cost=heavier)])
    assert found.cpu_seconds_per_sample == pytest.approx(10 / 160)
    assert found.cpu_percent == pytest.approx(62.5)
    assert (found.pss_peak_bytes, found.shm_peak_bytes, found.throttled_seconds) == (300, 10, 1.0)
    assert (found.read_bytes_per_sample, found.read_chars_per_sample) == (2.0, 10.0)


def test_workers_whose_processor_time_is_unknown_do_not_pass_for_idle():
    cost = Cost(cpu_seconds_main=1.0, num_samples=80)
    assert point([trial(2, 0, 10.0, cost=cost)]).cpu_seconds_per_sample is None
    assert point([trial(0, 0, 10.0, cost=cost)], 0).cpu_seconds_per_sample == pytest.approx(1 / 80)


def test_stages_are_seconds_a_sample_and_the_services_spread_is_within_trials():
    slow = WorkerStages(seconds={"decode": 4.0, "collate": 1.0}, num_batches=40, service_seconds=[1.0, 1.0, 1.0])
    fast = slow.model_copy(update={"service_seconds": [0.1, 0.1, 0.1]})
    found = point([trial(2, 0, 10.0, stages=slow), trial(2, 1, 10.0, stages=fast)])
    assert found.stages == {"decode": pytest.approx(0.1), "collate": pytest.approx(0.025)}
    assert found.service_cv == 0.0


def test_what_slows_a_whole_round_does_not_widen_the_comparison():
    weather = (1.0, 0.5, 0.8)
    trials = [
        trial(value, number, rate * factor)
        for number, factor in enumerate(weather)
        for value, rate in ((2, 100.0), (4, 200.0))
    ]
    found = point(trials, 2)
    assert found.relative_to_best == pytest.approx(0.5)
    assert found.relative_to_best_low == pytest.approx(0.5)


def test_the_best_is_not_sure_to_be_the_best():
    """Two settings that take turns in being faster: neither is taken for the best because of its luck."""
    trials = [
        trial(value, number, 100.0 * (1.1 if (value == 2) == (number % 2 == 0) else 1.0))
        for number in range(3)
        for value in (2, 4)
    ]
    best = point(trials, 2)
    assert best.relative_to_best == 1.0
    assert best.relative_to_best_low is not None and best.relative_to_best_low < 0.95


@pytest.mark.parametrize("spreads", [(0.02, 0.02, 0.02, 0.02), (0.01, 0.01, 0.01, 0.04)])
def test_a_setting_at_the_margin_is_seldom_taken_for_one_within_it(spreads):
    """The last of four equal settings is 5 % slower: at most one sweep in twelve may say less, or more."""
    generator = random.Random(17)
    within = worse = 0
    for _ in range(250):
        trials = []
        for number in range(3):
            for value, spread in zip((0, 2, 4, 8), spreads, strict=True):
                rate = (95.0 if value == 8 else 100.0) * math.exp(generator.gauss(0, spread))
                trials.append(trial(value, number, rate, spread=[1.0]))
        standing = standings(trials, settings(0, 2, 4, 8))[LoaderSetting(num_workers=8)]
        within += (standing.low or 0.0) > 0.95
        worse += (standing.high or 1.0) < 0.95
    assert within <= 250 / 12
    assert worse <= 250 / 12


def controlled(*ratios: float) -> list[SweepTrial]:
    rounds = enumerate(ratios)
    return [
        one
        for number, ratio in rounds
        for one in (
            trial(2, number, 100.0),
            trial(4, number, 100.0),
            trial(2, number, 100.0 * ratio, control=True),
        )
    ]


def test_the_control_compares_two_visits_to_one_setting():
    ratio = control_ratio(controlled(0.9, 1.0, 0.95))
    assert ratio is not None
    assert (ratio.median, ratio.n) == (pytest.approx(0.95), 3)
    assert control_ratio([trial(2, 0, 100.0)]) is None


def test_a_machine_that_drifts_is_unstable_and_widens_every_bound():
    assert not is_unstable(controlled(1.01, 0.99, 1.0))
    assert is_unstable(controlled(0.9, 0.9, 0.9))
    assert is_unstable(controlled(1.1, 0.9, 1.0))  # it averages out, and yet two visits differ
    steady, drifting = point(controlled(1.0, 1.0, 1.0)), point(controlled(0.9, 0.9, 0.9))
    assert steady.relative_to_best_low == pytest.approx(1.0)
    assert drifting.relative_to_best_low == pytest.approx(0.9)


def test_what_two_visits_to_one_setting_differ_by_widens_the_bounds_as_noise_does():
    quiet, noisy = controlled(1.0, 1.0, 1.0), controlled(1.02, 0.98, 1.0)
    assert not is_unstable(noisy)
    assert point(quiet).relative_to_best_low == pytest.approx(1.0)
    assert 0.95 < (point(noisy).relative_to_best_low or 0.0) < 0.99
