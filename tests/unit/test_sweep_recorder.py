"""The arithmetic of a trial's recorder: blocks, how many are enough, stages. Loaded by path, as in a target."""

import importlib.util
from pathlib import Path

import pytest

from ocrprof.recorder import __file__ as package

T_9 = 2.262


def load(name):
    spec = importlib.util.spec_from_file_location(name, Path(package).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


blocks = load("sweep_blocks")
stages = load("sweep_stages")
sweep = load("sweep")
train = load("sweep_train")


def test_a_block_spans_its_batches_from_the_moment_before_the_first():
    times = [100, 110, 130, 160, 200, 250]
    assert blocks.cut(times, [4, 4, 4, 4, 2], 2) == [[30, 2, 8], [70, 2, 8]]


@pytest.mark.parametrize(
    ("num_batches", "length", "num_workers", "fitting"),
    [(100, 8, 2, 8), (20, 16, 4, 4), (9, 16, 4, 4), (5, 16, 4, 5), (1, 8, 1, 1), (7, 8, 1, 1), (15, 16, 1, 3)],
)
def test_blocks_of_a_trial_that_was_cut_short_are_multiples_of_its_workers(num_batches, length, num_workers, fitting):
    assert blocks.fitting_length(num_batches, length, num_workers) == fitting


def test_a_pilot_that_varies_little_is_enough():
    pilot = [[1000 + k % 2, 8, 32] for k in range(10)]
    assert blocks.stein(pilot, 0.03, T_9) == 10


def test_the_size_of_a_trial_follows_stein():
    """Spread 10 % of the mean, half width 3 %: (2.262 · 0.1 / 0.03)² = 56.9."""
    pilot = [[one * 8, 8, 32] for one in (90, 110) * 5]
    spread = (10 * 10**2 / 9) ** 0.5 / 100
    assert blocks.stein(pilot, 0.03, T_9) == int((T_9 * spread / 0.03) ** 2) + 1 == 64


def test_neighbours_that_depend_on_each_other_are_told_from_those_that_do_not():
    assert blocks.lag1([1, 1, 1, 1, 5, 5, 5, 5]) > 0.3
    assert blocks.lag1([1, 5, 1, 5, 1, 5]) < 0
    assert blocks.lag1([2, 2, 2]) == 0
    assert blocks.merge([[1, 8, 32], [2, 8, 32], [3, 8, 30], [4, 8, 32]]) == [[3, 16, 64], [7, 16, 62]]


def test_each_moment_of_a_batch_belongs_to_its_innermost_stage():
    clock = stages.Clock()
    decode, transform, collate = 0, 1, 2
    clock.start(0)
    clock.enter(transform, 10)
    clock.enter(decode, 15)
    clock.leave(45)
    clock.leave(50)
    clock.enter(collate, 60)
    clock.leave(62)
    spent = clock.stop(70)
    assert dict(zip(stages.STAGES, spent, strict=True)) == {"decode": 30, "transform": 10, "collate": 2, "rest": 28}


def test_what_a_trial_is_asked_for_arrives_as_it_was():
    asked = sweep.parse("loader=train num_workers=2 persistent_workers=false step_seconds=0.05 start_method=spawn")
    assert asked == {
        "loader": "train",
        "num_workers": 2,
        "persistent_workers": False,
        "step_seconds": 0.05,
        "start_method": "spawn",
    }


def test_no_block_of_training_steps_spans_two_epochs():
    steps = train._Steps()
    for number in range(7):
        if number == 3:
            steps.interrupt()
        steps.add(1, number, 4)
    assert steps.cut(2) == ([[3, 2, 8], [9, 2, 8], [13, 2, 8]], [2, 2, 2], [1, 7, 11])
