"""What the blocks of a trial say: warm-up, dependence, size and width."""

import math
import random
import statistics

import pytest
from sweep_simulation import NUM_BLOCKS

from ocrprof.results.model import Block
from ocrprof.results.queue_simulator import FREE_RUNNING, Service, simulate_batches, simulate_queue
from ocrprof.results.sweep_blocks import (
    half_width,
    independent_blocks,
    is_steady,
    lag1_autocorrelation,
    merge_neighbours,
    relative_half_width,
    seconds_per_sample,
    steady_blocks,
    stein_size,
    t_quantile,
)


def blocks(*seconds: float) -> list[Block]:
    return [Block(seconds=one, num_batches=8, num_samples=16) for one in seconds]


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    [
        (0.975, 1, 12.7062),
        (0.95, 2, 2.91999),
        (0.975, 2, 4.30265),
        (0.95, 3, 2.35336),
        (0.975, 9, 2.26216),
        (0.99, 10, 2.76377),
        (0.975, 30, 2.04227),
        (0.995, 120, 2.61742),
    ],
)
def test_t_quantiles_are_those_of_the_printed_tables(probability, degrees, quantile):
    assert t_quantile(probability, degrees) == pytest.approx(quantile, abs=6e-6 * quantile)
    assert t_quantile(1 - probability, degrees) == -t_quantile(probability, degrees)


def test_the_t_quantile_of_many_degrees_is_the_normal_one():
    assert t_quantile(0.975, 20_000) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), abs=2e-4)


def test_rates_of_unequal_blocks_are_averaged_as_times():
    assert seconds_per_sample(blocks(1.0, 3.0)) == 1 / 8  # the mean of the rates, 16 and 5.33, would be 10.67


def test_the_warm_up_is_cut_off():
    rest = blocks(1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0)
    trial = [*blocks(9.0, 4.0, 2.0), *rest]
    assert steady_blocks(trial) == rest
    assert is_steady(trial)
    assert steady_blocks([]) == []


def test_a_steady_trial_keeps_nearly_all_its_blocks():
    generator = random.Random(3)
    trials = [blocks(*(generator.gauss(1, 0.02) for _ in range(NUM_BLOCKS))) for _ in range(200)]
    assert statistics.fmean(len(steady_blocks(one)) for one in trials) > NUM_BLOCKS - 2
    assert sum(is_steady(one) for one in trials) >= 198


def test_no_more_than_half_is_dropped_and_a_trial_that_still_moves_is_not_steady():
    moving = blocks(*(2 - 0.05 * number for number in range(20)))
    assert steady_blocks(moving) == moving[10:]
    assert not is_steady(moving)


def test_a_drift_too_small_to_matter_is_steady():
    assert is_steady(blocks(*(1 + 0.0005 * number for number in range(20))))


def test_neighbours_that_depend_on_each_other_are_merged():
    generator = random.Random(5)
    values, level = [], 0.0
    for _ in range(256):
        level = 0.8 * level + generator.gauss(0, 0.05)
        values.append(1 + level)
    assert lag1_autocorrelation(values) > 0.6
    merged = independent_blocks(blocks(*values))
    assert len(merged) <= 64
    assert merged[0].num_batches == 8 * 256 // len(merged)
    assert abs(lag1_autocorrelation([block.seconds for block in merged])) <= 0.3


def test_independent_blocks_are_left_alone():
    generator = random.Random(6)
    alone = blocks(*(generator.gauss(1, 0.05) for _ in range(64)))
    assert independent_blocks(alone) == alone


def test_merging_an_odd_number_leaves_out_the_first():
    assert [block.seconds for block in merge_neighbours(blocks(5, 1, 2, 3, 4))] == [3, 7]


def test_autocorrelation_of_what_cannot_have_any_is_zero():
    assert lag1_autocorrelation([1.0, 2.0]) == lag1_autocorrelation([1.0] * 9) == 0.0
    assert lag1_autocorrelation([0.0, 1.0] * 50) == pytest.approx(-1, abs=0.02)


def test_the_size_of_a_trial_follows_from_its_pilot():
    pilot = [0.9, 1.1] * 5
    spread = 2.26216 * statistics.stdev(pilot) / 0.03
    assert stein_size(pilot) == math.ceil(spread**2) == 64
    assert stein_size(pilot, precision=0.06) == 16
    assert stein_size([1.0, 1.001] * 5) == 10  # never fewer than the pilot


def test_trials_of_that_size_are_as_precise_as_asked():
    """Stein's promise: of two-stage trials at least 95 % end within 3 % of the truth, at a spread of 8 %."""
    generator = random.Random(11)
    inside = 0
    for _ in range(400):
        pilot = [generator.gauss(1, 0.08) for _ in range(NUM_BLOCKS)]
        whole = pilot + [generator.gauss(1, 0.08) for _ in range(stein_size(pilot) - NUM_BLOCKS)]
        inside += abs(statistics.fmean(whole) - 1) <= 0.03
    assert inside >= 0.95 * 400 - 8


def test_half_width_is_that_of_the_t_interval():
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert half_width([1.0]) is None
    assert relative_half_width(blocks(1.0)) is None
    assert relative_half_width(blocks(1.0, 2.0, 3.0)) == pytest.approx(4.30265 / math.sqrt(3) / 2, rel=1e-5)


def test_single_batches_of_a_bursty_loader_mislead_and_its_blocks_do_not():
    """Four workers deliver in bursts of four, so three of four waits are next to nothing."""
    generator = random.Random(13)
    inside, naive_widths, block_widths = 0, [], []
    for seed in range(30):
        service = Service([generator.gammavariate(100, 1 / 100) for _ in range(2000)])
        times = batch_seconds(service, seed=seed)
        sums = [sum(times[first : first + 16]) for first in range(0, len(times), 16)]
        found = [Block(seconds=one, num_batches=16, num_samples=16) for one in sums]
        true = simulate_queue(service, num_workers=4, num_batches=1000).batches_per_sec
        width = relative_half_width(found) or 0.0
        inside += abs(1 / seconds_per_sample(found) / true - 1) <= width
        naive_widths.append((half_width(times) or 0.0) / statistics.fmean(times))
        block_widths.append(width)
    assert statistics.median(times) < 0.3 * statistics.fmean(times)
    assert statistics.median(naive_widths) > 0.15
    assert statistics.median(block_widths) < 0.03
    assert inside >= 0.85 * 30


def batch_seconds(service: Service, *, seed: int) -> list[float]:
    """From each batch to the next of four workers that fill the queue of a free-running consumer."""
    batches = simulate_batches(
        service,
        num_workers=4,
        prefetch_factor=2,
        in_order=True,
        steps=FREE_RUNNING,
        num_cores=None,
        num_batches=208,
        seed=seed,
    )
    return [batch.seconds for batch in batches]
