"""What the blocks of one trial say: seconds a sample, where the steady part begins, how wide its interval is.

The batches of N workers arrive in bursts of N, so batches are no independent values and blocks of them are the unit
of every statistic here. Standard library only.
"""

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from ocrprof.results.model import Block

PRECISION = 0.03
"""Half-width asked of a trial's mean, as a share of it (the design's delta)."""

NUM_PILOT_BLOCKS = 10
"""Blocks that the size of a trial is computed from."""

_MAX_LAG1 = 0.3
_MIN_KEPT = 5  # White and Robinson (2010): the MSER statistic of fewer values is small by chance
_MIN_MERGED = 4
_DRIFT_CONFIDENCE = 0.995


def seconds_per_sample(blocks: Sequence[Block]) -> float:
    """Time over samples of all `blocks` together. Its inverse is their samples/s; a mean of rates would be higher."""
    return sum(block.seconds for block in blocks) / sum(block.num_samples for block in blocks)


def steady_blocks(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` without their warm-up, by the rule MSER-5 (White, "An effective truncation heuristic", 1997).

    The cut is where the standard error of the rest is smallest, over cuts that drop at most half.
    """
    num_cuts = min(len(blocks) // 2, max(0, len(blocks) - _MIN_KEPT))
    errors = _squared_errors([block.seconds / block.num_samples for block in blocks])
    return list(blocks[errors.index(min(errors[: num_cuts + 1])) :]) if blocks else []


def is_steady(blocks: Sequence[Block]) -> bool:
    """Whether the blocks that `steady_blocks` keeps no longer drift.

    They drift where their halves differ (99 %) by more than `PRECISION`. A minimum of the truncation rule beyond the
    half would be no sign of it: with ten blocks it lies there by chance in one trial of three.
    """
    values = [block.seconds / block.num_samples for block in steady_blocks(blocks)]
    half = len(values) // 2
    if half < 2:
        return True
    first, last = values[:half], values[-half:]
    gap = abs(statistics.fmean(first) - statistics.fmean(last))
    error = math.sqrt((statistics.variance(first) + statistics.variance(last)) / half)
    # The fewest degrees of freedom that Welch's test can have: no trial is called unsteady for a lack of blocks.
    return gap <= max(PRECISION * statistics.fmean(values), t_quantile(_DRIFT_CONFIDENCE, half - 1) * error)


def lag1_autocorrelation(values: Sequence[float]) -> float:
    """Correlation of neighbours, -1 to 1; 0 below three values or where they are all the same."""
    if len(values) < 3:
        return 0.0
    mean = statistics.fmean(values)
    around = [value - mean for value in values]
    total = sum(value * value for value in around)
    return sum(one * other for one, other in pairwise(around)) / total if total else 0.0


def merge_neighbours(blocks: Sequence[Block]) -> list[Block]:
    """Blocks of twice the length, an odd one at the start left out, for it is the nearest to the warm-up."""
    odd = len(blocks) % 2
    return [
        Block(
            seconds=one.seconds + other.seconds,
            num_batches=one.num_batches + other.num_batches,
            num_samples=one.num_samples + other.num_samples,
        )
        for one, other in zip(blocks[odd::2], blocks[odd + 1 :: 2], strict=True)
    ]


def independent_blocks(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` merged until neighbours correlate by no more than 0.3, or fewer than eight are left."""
    merged = list(blocks)
    while len(merged) >= 2 * _MIN_MERGED:
        if abs(lag1_autocorrelation([block.seconds / block.num_samples for block in merged])) <= _MAX_LAG1:
            break
        merged = merge_neighbours(merged)
    return merged


def stein_size(pilot: Sequence[float], *, precision: float = PRECISION) -> int:
    """Values needed in all for a 95 % half-width of `precision` times the mean, from a pilot of two or more.

    Stein, "A two-sample test for a linear hypothesis whose power is independent of the variance" (1945): the size
    is fixed once, from the pilot alone, so that stopping there does not bias the interval as repeated looks do.
    """
    spread = t_quantile(0.975, len(pilot) - 1) * statistics.stdev(pilot)
    return max(len(pilot), math.ceil((spread / (precision * statistics.fmean(pilot))) ** 2))


def half_width(values: Sequence[float], *, confidence: float = 0.95) -> float | None:
    """Of the two-sided t interval of the mean, in the unit of `values`; None below two."""
    if len(values) < 2:
        return None
    quantile = t_quantile((1 + confidence) / 2, len(values) - 1)
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def relative_half_width(blocks: Sequence[Block], *, confidence: float = 0.95) -> float | None:
    """Of the mean seconds a sample of a trial's blocks, merged where they correlate, as a share of the mean."""
    values = [block.seconds / block.num_samples for block in independent_blocks(blocks)]
    width = half_width(values, confidence=confidence)
    return None if width is None else width / statistics.fmean(values)


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """The quantile of Student's t with `degrees` of freedom, by bisection of its exact distribution function.

    The function is the finite series for whole degrees: Abramowitz and Stegun, "Handbook of Mathematical Functions"
    (1964), 26.7.3 and 26.7.4. `probability` lies between 0 and 1, both excluded.
    """
    if probability < 0.5:
        return -t_quantile(1 - probability, degrees)
    two_sided = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    while (middle := (low + high) / 2) not in (low, high):
        if _inside(middle, degrees) < two_sided:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan(low)


def _inside(angle: float, degrees: int) -> float:
    """P(|t| < sqrt(degrees) tan(angle))."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    total, term = 0.0, cosine if odd else 1.0
    for power in range(1 if odd else 0, degrees - 1, 2):
        total += term
        term *= (power + 1) / (power + 2) * cosine * cosine
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _squared_errors(values: Sequence[float]) -> list[float]:
    """The squared standard error, but for a factor, of the mean of `values[start:]` for each start."""
    center = values[0] if values else 0.0
    total = squares = 0.0
    errors = []
    for count, value in enumerate(reversed(values), start=1):
        total += value - center
        squares += (value - center) ** 2
        errors.append((squares - total * total / count) / count**2)
    return errors[::-1]
