"""Randomisation tests of paired launches: what the statistics would have been under the other orders of the pairs."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import comb, prod, sqrt
from operator import add, neg

MAX_ENUMERATED = 10_000
"""Up to so many possible orders all of them are taken: with a first stage of ten pairs, up to 20 pairs."""

NUM_DRAWS = 9_999
_CHUNK = 7
"""Pairs a look-up table: their 128 partial sums are added up once, and looked up for every order."""


@dataclass(frozen=True)
class FamilyTest:
    """Family-wise p-values, one a metric: of its being slower, and of its being faster. `num_orders`: tried."""

    slower: list[float]
    faster: list[float]
    num_orders: int


def max_t_test(
    shifts: Sequence[Sequence[float]], order: Sequence[int], blocks: Sequence[int], *, seed: int, margin: float = 0.0
) -> FamilyTest:
    """Westfall and Young's max-T over metrics (Resampling-Based Multiple Testing, 1993), by exact randomisation.

    `shifts[j][i]`: log ratio of the second launch to the first of pair i in metric j, above 0 worse; `order[i]` is +1
    where the candidate came second; the orders of pairs of one number in `blocks` were drawn together. `margin`: the
    log slowdown (or gain) that has to be excluded in place of none.
    Under "no metric changed" the order that was drawn is one of those that could have been, so P(any p <= alpha) is at
    most alpha whatever the noise: not normal, drifting, worse for whoever comes second, alike in all metrics.
    """
    if not shifts or not order:
        return FamilyTest([1.0] * len(shifts), [1.0] * len(shifts), 0)
    keys = _orders(order, blocks, seed=seed)
    slower = [_rank_and_mean(metric, keys) for metric in _better_by(margin, shifts, order)]
    faster = slower if margin == 0 else [_rank_and_mean(metric, keys) for metric in _better_by(-margin, shifts, order)]
    return FamilyTest(
        slower=_family_p([list(map(max, *both)) for both in slower]),
        # A gain is a slowdown with all signs turned.
        faster=_family_p([list(map(neg, map(min, *both))) for both in faster]),
        num_orders=len(keys),
    )


def signed_ranks(values: Sequence[float]) -> list[float]:
    """Midranks of the absolute values, each with its value's sign; 0 for 0."""
    by_size = sorted(range(len(values)), key=lambda index: abs(values[index]))
    ranks = [0.0] * len(values)
    start = 0
    while start < len(by_size):
        end = start
        while end < len(by_size) and abs(values[by_size[end]]) == abs(values[by_size[start]]):
            end += 1
        for index in by_size[start:end]:
            ranks[index] = (start + 1 + end) / 2
        start = end
    return [rank if value > 0 else -rank if value < 0 else 0.0 for rank, value in zip(ranks, values, strict=True)]


def _better_by(margin: float, shifts: Sequence[Sequence[float]], order: Sequence[int]) -> list[list[float]]:
    """The shifts as they would be had every candidate been better by `margin`. A metric that a pair lacks has 0."""
    return [[one - sign * margin if one else 0.0 for one, sign in zip(metric, order, strict=True)] for metric in shifts]


def _orders(order: Sequence[int], blocks: Sequence[int], *, seed: int) -> list[tuple[int, ...]]:
    """Possible orders, that which was drawn first, each as bits (+1: set) in chunks.

    The possible ones have as many of each sign in every block as `order` has, so that they are as probable as it was.
    """
    members: dict[int, list[int]] = {}
    for index, block in enumerate(blocks):
        members.setdefault(block, []).append(1 << index)
    parts = [(bits, sum(order[bit.bit_length() - 1] > 0 for bit in bits)) for bits in members.values()]
    observed = sum(1 << index for index, sign in enumerate(order) if sign > 0)
    if prod(comb(len(bits), num_set) for bits, num_set in parts) <= MAX_ENUMERATED:
        masks = [sum(choice) for choice in product(*(_choices(bits, num_set) for bits, num_set in parts))]
        masks.remove(observed)
    else:
        generator = random.Random(f"assignments/{seed}")
        columns = [_sampled(bits, num_set, generator) for bits, num_set in parts]
        masks = [sum(choice) for choice in zip(*columns, strict=True)]
    low_bits = (1 << _CHUNK) - 1
    return [tuple(mask >> start & low_bits for start in range(0, len(order), _CHUNK)) for mask in (observed, *masks)]


def _choices(bits: Sequence[int], num_set: int) -> list[int]:
    return [sum(chosen) for chosen in combinations(bits, num_set)]


def _sampled(bits: Sequence[int], num_set: int, generator: random.Random) -> list[int]:
    if comb(len(bits), num_set) <= MAX_ENUMERATED:
        return generator.choices(_choices(bits, num_set), k=NUM_DRAWS)
    return [sum(generator.sample(bits, num_set)) for _ in range(NUM_DRAWS)]


def _rank_and_mean(metric: Sequence[float], keys: Sequence[tuple[int, ...]]) -> tuple[list[float], list[float]]:
    """The signed-rank form, robust to spikes, and the mean's, strong at few pairs, under every order."""
    return _sums(signed_ranks(metric), keys), _sums(metric, keys)


def _family_p(metrics: Sequence[Sequence[float]]) -> list[float]:
    """p of every metric, from its statistic under every order; the first is that which was drawn."""
    family = sorted(map(max, *metrics)) if len(metrics) > 1 else sorted(metrics[0])
    return [_share_reaching(metric[0], family) for metric in metrics]


def _share_reaching(value: float, ascending: Sequence[float]) -> float:
    """The share that is at least `value`. Sums in another order may differ in the last digits, hence the tolerance."""
    limit = value - 1e-9 * max(1.0, abs(value))
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if ascending[middle] >= limit else (middle + 1, high)
    return (len(ascending) - low) / len(ascending)


def _sums(values: Sequence[float], keys: Sequence[tuple[int, ...]]) -> list[float]:
    """For every order the sum of its signs times `values`, over the root of the sum of their squares."""
    scale = sqrt(sum(value * value for value in values)) or 1.0
    tables = [_table([value / scale for value in values[at : at + _CHUNK]]) for at in range(0, len(values), _CHUNK)]
    columns = zip(*keys, strict=True)
    totals = [0.0] * len(keys)
    for table, column in zip(tables, columns, strict=True):
        totals = list(map(add, totals, map(table.__getitem__, column)))
    return totals


def _table(values: Sequence[float]) -> list[float]:
    """The signed sum for each setting of the bits, each from one with a bit less."""
    sums = [-sum(values)]
    for value in values:
        sums += [one + 2 * value for one in sums]
    return sums
