"""Launches laid side by side: pairs of the two arms, and one metric's values in them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, stdev

from ocrprof.results.model import Launch, MetricInfo
from ocrprof.results.signed_rank import hodges_lehmann

_MAX_MISSING_SHARE = 0.2
"""Of the pairs: a metric that more of them lack is missing."""


@dataclass(frozen=True, kw_only=True)
class LaunchPair:
    """Two launches back to back. `sign` +1: the candidate came second; -1: the base did."""

    number: int
    base: Launch
    candidate: Launch
    sign: int


@dataclass(frozen=True, kw_only=True)
class PairedMetric:
    """One metric over all pairs. `base` and `candidate` are as measured, over the pairs that have both.

    `shifts[i]` is e of pair i, the log ratio of the second launch to the first, above 0 worse; 0 where the pair lacks
    the metric. `slowdowns` are the candidate's, d, over the pairs that have it. `why_not`: why there are none of them.
    """

    info: MetricInfo
    base: list[float]
    candidate: list[float]
    shifts: list[float]
    slowdowns: list[float]
    why_not: str | None = None
    missing: bool = False

    @property
    def theta(self) -> float:
        """Hodges-Lehmann estimate of the log slowdown."""
        return hodges_lehmann(self.slowdowns)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation of the pairs' log slowdowns; None below two pairs."""
        return stdev(self.slowdowns) if len(self.slowdowns) > 1 else None

    def change(self, log_slowdown: float) -> float:
        """What a log slowdown is in the metric's unit, from the base's median; above 0 worse."""
        center = abs(median(self.base))
        if self.info.direction == "lower":
            return center * math.expm1(log_slowdown)
        return -center * math.expm1(-log_slowdown)


def pair_launches(launches: Sequence[Launch]) -> list[LaunchPair]:
    """The pairs of which both launches have values, by number. Warm-ups (pair 0) belong to none."""
    arms: dict[int, dict[str, Launch]] = {}
    for launch in launches:
        if launch.pair > 0 and launch.values:
            arms.setdefault(launch.pair, {})[launch.arm] = launch
    return [
        LaunchPair(
            number=number,
            base=arm["base"],
            candidate=arm["candidate"],
            sign=1 if arm["candidate"].position > arm["base"].position else -1,
        )
        for number, arm in sorted(arms.items())
        if len(arm) == 2
    ]


def paired_metric(pairs: Sequence[LaunchPair], info: MetricInfo) -> PairedMetric:
    """The values of one metric. Where one is zero or less, all values below the floor count as the floor: no ratio
    can be had of them otherwise."""
    name = info.name
    have = [pair for pair in pairs if name in pair.base.values and name in pair.candidate.values]
    base = [pair.base.values[name] for pair in have]
    candidate = [pair.candidate.values[name] for pair in have]
    missing = len(have) < (1 - _MAX_MISSING_SHARE) * len(pairs) or not have
    if missing:
        why_not: str | None = f"measured in {len(have)} of {len(pairs)} pairs"
    elif max(base + candidate) <= 0:
        why_not = "0 in every launch"
    elif min(base + candidate) <= 0 and info.floor <= 0:
        why_not = "0 in some launches: no ratio can be had of it"
    else:
        why_not = None
    if why_not is not None:
        return PairedMetric(
            info=info, base=base, candidate=candidate, shifts=[], slowdowns=[], why_not=why_not, missing=missing
        )
    lowest = info.floor if min(base + candidate) <= 0 else 0.0
    factor = 1 if info.direction == "lower" else -1
    slowdowns = {
        pair.number: factor * math.log(max(after, lowest) / max(before, lowest))
        for pair, before, after in zip(have, base, candidate, strict=True)
    }
    return PairedMetric(
        info=info,
        base=base,
        candidate=candidate,
        shifts=[pair.sign * slowdowns.get(pair.number, 0.0) for pair in pairs],
        slowdowns=list(slowdowns.values()),
    )


def gated_metrics(pairs: Sequence[LaunchPair], infos: Sequence[MetricInfo]) -> list[PairedMetric]:
    """The gated metrics that statistics decide on and that have ratios, in the order of `infos`."""
    metrics = (paired_metric(pairs, info) for info in infos if info.gated and info.kind in ("sampled", "bounded"))
    return [metric for metric in metrics if metric.why_not is None]
