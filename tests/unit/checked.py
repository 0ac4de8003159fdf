"""Launches of a check made from known numbers, and exact binomial bounds for what random ones may give."""

import math
import random
from collections.abc import Callable, Sequence

from ocrprof.results.check_design import draw_order
from ocrprof.results.model import CheckDesign, Launch, MetricInfo

CREATED = "2026-01-01T00:00:00+00:00"


def design(first: int = 10, most: int = 28, *, seed: int = 1, **options) -> CheckDesign:
    return CheckDesign(
        mode="against",
        seed=seed,
        order=draw_order(num_pairs_first=first, num_pairs_max=most, seed=seed),
        num_pairs_first=first,
        num_pairs_max=most,
        **options,
    )


def info(name: str = "wall_seconds", **options) -> MetricInfo:
    return MetricInfo(**{"name": name, "unit": "seconds", "direction": "lower", "kind": "sampled", **options})


def launches(
    order: Sequence[int], base: Sequence[dict[str, float]], candidate: Sequence[dict[str, float]]
) -> list[Launch]:
    """Pairs from 1 on with these values, in this order."""
    found = []
    for number, (sign, before, after) in enumerate(zip(order, base, candidate, strict=True), start=1):
        for arm, values, position in (("base", before, sign < 0), ("candidate", after, sign > 0)):
            found.append(
                Launch(
                    number=len(found) + 1,
                    arm=arm,
                    pair=number,
                    position=int(position),
                    started=CREATED,
                    status="reached",
                    exit_code=0,
                    wall_seconds=1.0,
                    values=values,
                )
            )
    return found


def simulated(
    order: Sequence[int],
    *,
    noise: Callable[[int], Sequence[float]],
    slowdowns: dict[str, float],
    center: float = 10.0,
    second: float = 0.0,
) -> list[Launch]:
    """Launches whose log values are `noise(moment)`, one a metric of `slowdowns`, plus what is told.

    `slowdowns`: of the candidate, as shares. `second`: penalty of whoever comes second in a pair, in logarithms.
    """
    base, candidate = [], []
    for index, sign in enumerate(order):
        drawn = {place: noise(2 * index + place) for place in (0, 1)}
        for arm, place in ((base, int(sign < 0)), (candidate, int(sign > 0))):
            extra = slowdowns if arm is candidate else dict.fromkeys(slowdowns, 0.0)
            arm.append(
                {
                    name: center * math.exp(drawn[place][number] + second * place) * (1 + extra[name])
                    for number, name in enumerate(slowdowns)
                }
            )
    return launches(order, base, candidate)


def gaussian(generator: random.Random, num_metrics: int, *, sd: float) -> Callable[[int], Sequence[float]]:
    return lambda moment: [generator.gauss(0, sd) for _ in range(num_metrics)]


def most_successes(num_trials: int, probability: float, *, tail: float = 1e-3) -> int:
    """The count that a binomial variable exceeds with a chance of at most `tail`."""
    total = 0.0
    for count in range(num_trials + 1):
        total += math.comb(num_trials, count) * probability**count * (1 - probability) ** (num_trials - count)
        if total >= 1 - tail:
            return count
    return num_trials


def fewest_successes(num_trials: int, probability: float, *, tail: float = 1e-3) -> int:
    """The count that a binomial variable stays below with a chance of at most `tail`."""
    return num_trials - most_successes(num_trials, 1 - probability, tail=tail)
