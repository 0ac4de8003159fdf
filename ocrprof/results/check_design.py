"""How a check lays out its pairs: their order, when it may stop, how many it needs, and what it could see."""

import math
import random
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from statistics import mean, stdev

from ocrprof.errors import OcrprofError
from ocrprof.results.check_pairs import PairedMetric, gated_metrics, pair_launches
from ocrprof.results.model import CheckDesign, Launch, MetricInfo
from ocrprof.results.student_t import t_test_power

MIN_PAIRS = 10
"""Fewer can never reject at 1 %: eight pairs have 70 balanced orders, and one in 70 is 1.4 %."""

POWER = 0.95

MARGIN = 0.03
"""Rule margin: the slowdown that has to be excluded, in place of none (BenchmarkDotNet tests so)."""

_FUTILE_SLOWDOWN = 0.02
_FUTILE_STANDARD_ERRORS = 0.7
_MOST_PAIRS = 2000
_HALF_NORMAL_SD = math.sqrt(1 - 2 / math.pi)
"""Standard deviation of |e| over that of e, for a normal e about 0."""


def draw_order(*, num_pairs_first: int, num_pairs_max: int, seed: int) -> list[int]:
    """The order of every pair, +1 where the candidate comes second: half of the first stage's, then one in each two.

    So the orders are balanced wherever an even number of pairs has been run after the first stage, and a steady drift
    cancels within every block of two. Raises OcrprofError for numbers of pairs that no test could be done with.
    """
    check_num_pairs(num_pairs_first, num_pairs_max)
    generator = random.Random(f"order/{seed}")
    order = []
    for _, block in groupby(range(1, num_pairs_max + 1), lambda pair: block_of(pair, num_pairs_first=num_pairs_first)):
        half = len(list(block)) // 2
        signs = [1] * half + [-1] * half
        generator.shuffle(signs)
        order += signs
    return order


def block_of(pair: int, *, num_pairs_first: int) -> int:
    """Which orders were drawn together with that of `pair`, which counts from 1: the first stage's, then two by two."""
    return 0 if pair <= num_pairs_first else 1 + (pair - num_pairs_first - 1) // 2


def check_num_pairs(first: int, most: int) -> None:
    """Raises OcrprofError unless both are even, at least 10, and the first is no larger than the second."""
    if first % 2 or most % 2:
        raise OcrprofError(
            f"an odd number of pairs cannot be balanced: {first}:{most}", hint="even numbers, as in --pairs 10:40"
        )
    if first < MIN_PAIRS:
        raise OcrprofError(
            f"{first} pairs can never confirm a regression at 1 %", hint=f"--pairs needs {MIN_PAIRS} or more"
        )
    if first > most:
        raise OcrprofError(f"the first stage has more pairs than all: {first}:{most}", hint="as in --pairs 10:40")


def is_futile(launches: Sequence[Launch], infos: Sequence[MetricInfo], design: CheckDesign) -> bool:
    """Whether no gated metric looks slower, so that more pairs could hardly confirm a regression.

    A metric looks slower if its estimate is above +2 %, its mean is more than 0.7 standard errors above none, and the
    change is half of its floor or more. Stopping for this can only keep a check from failing, so it spends no alpha.
    """
    return not any(_looks_slower(metric) for metric in gated_metrics(pair_launches(launches), infos))


def _looks_slower(metric: PairedMetric) -> bool:
    if len(metric.slowdowns) < 2:
        return True
    theta = metric.theta
    error = stdev(metric.slowdowns) / math.sqrt(len(metric.slowdowns))
    return (
        math.expm1(theta) > _FUTILE_SLOWDOWN
        and mean(metric.slowdowns) > _FUTILE_STANDARD_ERRORS * error
        and metric.change(theta) >= metric.info.floor / 2
    )


def pairs_worth_running(
    num_run: int, launches: Sequence[Launch], infos: Sequence[MetricInfo], design: CheckDesign
) -> int | None:
    """Pairs to run in all, asked whenever as many have been run as were worth it before.

    None where nothing looks slower after the first stage. A few pairs tell the noise roughly, and too small as often as
    too large: where further ones are noisier, more are run.
    """
    if num_run == design.num_pairs_first and is_futile(launches, infos, design):
        return None
    return max(num_run, resized_pairs(launches, infos, design))


def resized_pairs(launches: Sequence[Launch], infos: Sequence[MetricInfo], design: CheckDesign) -> int:
    """Pairs to run in all, from the noise of those run so far: even, within the design's first and most.

    Blinded: only |e| is used, which does not know the arms, so the size of the test stands (Friede and Kieser, 2006).
    The deviation of |e| over that of a half-normal is the noise where nothing changed, and at most 1.66 times it where
    something did. Metrics of which a change of the target effect lies below their floor have no say.
    """
    pairs = pair_launches(launches)
    gated = gated_metrics(pairs, infos)
    wanted = design.num_pairs_first
    for metric in gated:
        target = target_effect(metric.info, design)
        if len(pairs) < 3 or metric.change(math.log1p(target)) < metric.info.floor:
            continue
        noise = stdev(abs(shift) for shift in metric.shifts) / _HALF_NORMAL_SD
        min_effect, boundary = effect_bounds(metric.info, design)
        needed = pairs_needed(
            noise, alpha=design.alpha / len(gated), min_effect=min_effect, boundary=boundary, target=target
        )
        wanted = max(wanted, needed if needed is not None else design.num_pairs_max)
    return min(wanted + wanted % 2, design.num_pairs_max)


def effect_bounds(info: MetricInfo, design: CheckDesign) -> tuple[float, float]:
    """What a confirmed slowdown has to reach, and what the test has to exclude, both as shares."""
    return (info.min_effect, 0.0) if design.rule == "gate" else (0.0, MARGIN)


def target_effect(info: MetricInfo, design: CheckDesign) -> float:
    """The slowdown that a check is to see, as a share: a gate at more than half of it would have little power."""
    return max(design.target_effect, 2 * info.min_effect)


@lru_cache(maxsize=4096)
def pairs_needed(
    sd: float, *, alpha: float, min_effect: float = 0.05, boundary: float = 0.0, target: float = 0.10
) -> int | None:
    """The fewest pairs that confirm a slowdown of `target` in 95 % of checks; None above two thousand.

    `sd`: standard deviation of the pairs' log ratios. `alpha` is one metric's, after division by their number: the
    max-T test is no worse than Bonferroni's, so this errs on the side of more pairs. `boundary`: the slowdown that the
    test has to exclude.
    """
    effect = math.log1p(target) - math.log1p(boundary)
    gate = max(math.log1p(min_effect) - math.log1p(boundary), 0.0)

    def confirmed(num_pairs: int) -> bool:
        return t_test_power(effect, sd, num_pairs, alpha=alpha, gate=gate) >= POWER

    low, high = 2, 4
    while not confirmed(high):
        low, high = high, 2 * high
        if high > _MOST_PAIRS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if confirmed(middle) else (middle, high)
    return high


@lru_cache(maxsize=4096)
def smallest_detectable(
    sd: float, num_pairs: int, *, alpha: float, min_effect: float = 0.05, boundary: float = 0.0
) -> float | None:
    """The slowdown, as a share, that `num_pairs` pairs confirm in 95 % of checks; None below three pairs.

    The arguments are those of `pairs_needed`. It is never below `min_effect`, which a confirmed slowdown has to reach.
    """
    if num_pairs < 3:
        return None
    gate = max(math.log1p(min_effect) - math.log1p(boundary), 0.0)

    def confirmed(effect: float) -> bool:
        return t_test_power(effect, sd, num_pairs, alpha=alpha, gate=gate) >= POWER

    low, high = gate, gate + max(sd, 1e-6)
    while not confirmed(high):
        low, high = high, gate + 2 * (high - gate)
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if confirmed(middle) else (middle, high)
    return math.expm1(high + math.log1p(boundary))
