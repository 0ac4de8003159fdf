"""Where a series changed for good: size, power, place, and that the last point alone is no change."""

import math
import random

import pytest

from ocrprof.results.change_points import MIN_SESSIONS, fewest_values, find_splits, likely_splits

LEVEL = 0.001


def noise(num: int, *, seed: int, sd: float = 1.0) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(0, sd) for _ in range(num)]


def stepped(num: int, *, at: int, size: float, seed: int) -> list[float]:
    return [value + (size if index >= at else 0.0) for index, value in enumerate(noise(num, seed=seed))]


def places(values: list[float], *, level: float = LEVEL, seed: int = 0) -> list[int]:
    return [split.index for split in find_splits(values, level=level, seed=seed)]


@pytest.mark.parametrize("distort", [lambda value: value, lambda value: value**3], ids=["normal", "heavy tails"])
def test_a_series_that_never_changed_is_said_to_have_at_the_nominal_rate(distort):
    num, level = 300, 0.05
    found = 0
    for seed in range(num):
        values = [distort(value) for value in noise(20, seed=seed)]
        found += bool(find_splits(values, level=level, seed=seed, most=199))
    # Within what a binomial of 300 and 5 % gives in 99.9 % of cases.
    spread = 3.29 * math.sqrt(num * level * (1 - level))
    assert abs(found - num * level) <= spread


def test_at_the_level_that_is_used_hundreds_of_quiet_series_stay_quiet():
    assert sum(bool(places(noise(30, seed=seed), seed=seed)) for seed in range(400)) <= 2


@pytest.mark.parametrize(("num", "at", "size"), [(24, 12, 4.0), (30, 25, 5.0), (30, 15, 3.0)])
def test_a_step_of_a_few_deviations_is_found_where_it_is(num, at, size):
    for seed in range(4):
        (split,) = find_splits(stepped(num, at=at, size=size, seed=seed), level=LEVEL, seed=seed)
        assert abs(split.index - at) <= 1
        assert split.p <= LEVEL


def test_a_rise_and_its_fall_are_two_changes():
    values = [value + (8.0 if 15 <= index < 25 else 0.0) for index, value in enumerate(noise(40, seed=3))]
    assert places(values) == [15, 25]


@pytest.mark.parametrize("num_last", [1, 2])
def test_the_last_points_alone_are_no_change_however_far_they_lie(num_last):
    values = noise(40, seed=5)
    values[-num_last:] = [100.0] * num_last
    assert places(values) == []


def test_three_values_lie_on_both_sides_of_every_change():
    for ends in (slice(0, 2), slice(38, 40)):
        values = noise(40, seed=5)
        values[ends] = [100.0] * 2
        (index,) = places(values, level=0.1)
        assert index in (MIN_SESSIONS, 40 - MIN_SESSIONS)
    assert MIN_SESSIONS == 3


def test_three_points_after_a_large_step_are_enough():
    values = stepped(40, at=37, size=12.0, seed=6)
    assert places(values) == [37]


def test_a_single_outlier_is_no_change():
    values = noise(40, seed=7)
    values[20] = 50.0
    assert places(values) == []


def test_equal_values_have_no_change_and_a_clean_step_has_one():
    assert places([2.0] * 30) == []
    assert places([2.0] * 15 + [2.1] * 15) == [15]


def test_the_same_seed_finds_the_same():
    values = stepped(30, at=15, size=1.2, seed=8)
    assert find_splits(values, level=0.05, seed=1) == find_splits(values, level=0.05, seed=1)


def test_a_series_too_short_for_the_level_has_no_change():
    fewest = fewest_values(LEVEL)
    assert 2 / math.comb(fewest, fewest // 2) <= LEVEL < 2 / math.comb(fewest - 1, (fewest - 1) // 2)
    assert places([0.0] * 8 + [9.0] * (fewest + 2 - 8)) == [8]
    assert places([0.0] * 6 + [9.0] * (fewest - 1 - 6)) == []
    assert places([0.0] * MIN_SESSIONS + [9.0] * MIN_SESSIONS) == []


def test_a_place_is_known_the_better_the_larger_the_step():
    assert likely_splits(stepped(30, at=15, size=20.0, seed=9), 15) == (15, 15)
    first, last = likely_splits(stepped(30, at=15, size=1.5, seed=9), 15)
    assert first <= 15 <= last
    assert last > first
    assert likely_splits([1.0] * 5 + [2.0] * 5, 5) == (5, 5)


def test_the_true_place_lies_in_the_range_about_as_often_as_it_says():
    inside = []
    for seed in range(100):
        values = stepped(24, at=12, size=2.0, seed=seed)
        splits = find_splits(values, level=0.05, seed=seed, most=99)
        if len(splits) == 1:
            first, last = likely_splits(values, splits[0].index)
            inside.append(first <= 12 <= last)
    assert len(inside) > 60
    assert sum(inside) >= 0.88 * len(inside)
