"""How the verdict on a metric came about, step by step, made again from the launches that a report holds.

`check_statistics` decides; here are the figures in between that it keeps to itself. That both come to the same is
tested, and told beside every explanation.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from ocrprof.results.check_design import (
    block_of,
    effect_bounds,
    is_futile,
    pairs_needed,
    resized_pairs,
    target_effect,
)
from ocrprof.results.check_dropped import counted_launches, steal_share
from ocrprof.results.check_pairs import LaunchPair, PairedMetric, gated_metrics, pair_launches, paired_metric
from ocrprof.results.check_parts import MetricPart, parts_of
from ocrprof.results.check_ruling import Rule, pair_rules
from ocrprof.results.check_statistics import judge_pairs
from ocrprof.results.model import CheckDesign, CheckReport, Launch, MetricInfo, MetricSummary
from ocrprof.results.randomisation import FamilyTest, max_t_test, signed_ranks

FUTILE_SLOWDOWN, FUTILE_STANDARD_ERRORS = 0.02, 0.7
"""What looks slower after the first stage; those of `check_design.is_futile`."""

_HALF_NORMAL_SD = math.sqrt(1 - 2 / math.pi)


@dataclass(frozen=True, kw_only=True)
class PairStep:
    """One pair of one metric: values as measured, None where a launch lacks it; the candidate's log slowdown.

    `stolen_share` and `others_busy_cores`: of its worse launch. `left_out`: by the rule of --drop-steal.
    """

    number: int
    attempt: int | None
    candidate_second: bool
    base: float | None
    candidate: float | None
    slowdown: float | None
    stolen_share: float
    others_busy_cores: float | None
    left_out: bool


@dataclass(frozen=True, kw_only=True)
class Randomisation:
    """The test of one gated metric. `rank` and `mean`: its statistic's two forms under the order that was drawn.

    `num_reaching` of the `num_orders` tried reach the larger of both, in any gated metric: that share is `p`. They are
    all of the `num_possible`, or drawn from them. `p_gain`: of the mirrored test.
    """

    rank: float
    mean: float
    num_orders: int
    num_possible: int
    p: float
    p_gain: float

    @property
    def num_reaching(self) -> int:
        return round(self.p * self.num_orders)

    @property
    def enumerated(self) -> bool:
        """Whether every possible order was tried."""
        return self.num_orders == self.num_possible


@dataclass(frozen=True, kw_only=True)
class FirstStage:
    """What the first stage saw of a gated metric, and what was decided over all of them.

    `noise`: standard deviation of the pairs' log ratios by their sizes alone; None where the metric had no say.
    `num_needed`: pairs for it; None for more than can be. `num_wanted`: in all; None where nothing `looked_slower`.
    `num_run`: in the end, more than that where later pairs were noisier.
    """

    num_pairs: int
    theta: float
    mean: float
    error: float
    change: float
    looks_slower: bool
    looked_slower: list[str]
    noise: float | None
    num_needed: int | None
    num_wanted: int | None
    num_run: int


@dataclass(frozen=True, kw_only=True)
class PairsExplanation:
    """All steps from the pairs to the verdict. `found`: the summary as it is made again; `told`: the report's own.

    `rules` are tried in order, up to the one that applies; where none does, the metric is inconclusive. Empty for one
    that does not decide or has no ratios.
    """

    info: MetricInfo
    metric: PairedMetric
    found: MetricSummary
    told: MetricSummary | None
    pairs: list[PairStep]
    parts: list[MetricPart]
    num_gated: int
    alpha: float
    test: Randomisation | None
    first_stage: FirstStage | None
    rules: list[Rule]

    @property
    def agrees(self) -> bool:
        """Whether the report says the same of it."""
        return self.told is not None and same_summary(self.told, self.found)


@dataclass(frozen=True, kw_only=True)
class PairsFamily:
    """What all metrics of a check by pairs share, made again once: the pairs that count, and the test of all."""

    pairs: list[LaunchPair]
    left_out: frozenset[int]
    gated: list[PairedMetric]
    judged: dict[str, MetricSummary]
    margin: float
    tested: FamilyTest
    num_possible: int


def pairs_family(report: CheckReport) -> PairsFamily:
    """Of the launches that the report holds; tested for a slowdown where the report tells of that test."""
    design = report.design
    counted = counted_launches(report.launches, max_steal=design.max_steal)
    pairs = pair_launches(counted.launches)
    gated = gated_metrics(pairs, report.metric_infos)
    final = any(one.p_fw is not None for one in report.metrics)
    judged = judge_pairs(counted.launches, report.metric_infos, design, final)
    signs = [pair.sign for pair in pairs]
    blocks = [block_of(pair.number, num_pairs_first=design.num_pairs_first) for pair in pairs]
    margin = math.log1p(effect_bounds(gated[0].info, design)[1]) if gated else 0.0
    return PairsFamily(
        pairs=pairs,
        left_out=counted.left_out,
        gated=gated,
        judged={one.name: one for one in judged},
        margin=margin,
        tested=max_t_test([one.shifts for one in gated], signs, blocks, seed=design.seed, margin=margin),
        num_possible=num_possible_orders(signs, blocks),
    )


def explain_pairs(report: CheckReport, info: MetricInfo, *, family: PairsFamily | None = None) -> PairsExplanation:
    """The explanation of a sampled or bounded metric of a check by pairs. `family`: the report's, if made before."""
    family = family or pairs_family(report)
    design, pairs = report.design, family.pairs
    metric = paired_metric(pairs, info)
    found = family.judged[info.name]
    decides = info.gated and metric.why_not is None
    return PairsExplanation(
        info=info,
        metric=metric,
        found=found,
        told=next((one for one in report.metrics if one.name == info.name), None),
        pairs=_pair_steps(report.launches, pairs, metric, left_out=family.left_out),
        parts=parts_of(info.name, [pair.base for pair in pairs], [pair.candidate for pair in pairs]),
        num_gated=len(family.gated),
        alpha=design.alpha,
        test=_randomisation(metric, family) if decides else None,
        first_stage=_first_stage(report, info) if decides else None,
        rules=pair_rules(metric, found, design) if decides else [],
    )


def same_summary(told: MetricSummary, found: MetricSummary) -> bool:
    """Whether two summaries have the same verdict and, but for the last digits, the same figures."""
    names = ("ratio", "p_fw", "p_fw_improved", "sd_pair", "base_median", "candidate_median")
    return (told.verdict, told.n) == (found.verdict, found.n) and all(
        _close(getattr(told, name), getattr(found, name)) for name in names
    )


def _close(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-12)


def _whole(launches: Sequence[Launch]) -> list[Launch]:
    return counted_launches(launches, max_steal=None).launches


def _pair_steps(
    launches: Sequence[Launch], counted: Sequence[LaunchPair], metric: PairedMetric, *, left_out: frozenset[int]
) -> list[PairStep]:
    """All pairs in order, those that are left out too; log slowdowns of those that count."""
    name = metric.info.name
    have = [pair.number for pair in counted if name in pair.base.values and name in pair.candidate.values]
    slowdowns = dict(zip(have, metric.slowdowns, strict=False))  # none where no ratios can be had
    return [
        PairStep(
            number=pair.number,
            attempt=pair.base.attempt,
            candidate_second=pair.sign > 0,
            base=pair.base.values.get(name),
            candidate=pair.candidate.values.get(name),
            slowdown=slowdowns.get(pair.number),
            stolen_share=max(steal_share(pair.base), steal_share(pair.candidate)),
            others_busy_cores=_most_busy(pair),
            left_out=pair.number in left_out,
        )
        for pair in pair_launches(_whole(launches))
    ]


def _most_busy(pair: LaunchPair) -> float | None:
    busy = (one.covariates.get("others_busy_cores") for one in (pair.base, pair.candidate))
    return max((one for one in busy if one is not None), default=None)


def _randomisation(metric: PairedMetric, family: PairsFamily) -> Randomisation:
    """The family's test, and the metric's own statistic, which the test tells of no single metric."""
    signs = [pair.sign for pair in family.pairs]
    index = [one.info.name for one in family.gated].index(metric.info.name)
    shifts = [shift - sign * family.margin if shift else 0.0 for shift, sign in zip(metric.shifts, signs, strict=True)]
    return Randomisation(
        rank=_standardised(signed_ranks(shifts), signs),
        mean=_standardised(shifts, signs),
        num_orders=family.tested.num_orders,
        num_possible=family.num_possible,
        p=family.tested.slower[index],
        p_gain=family.tested.faster[index],
    )


def _standardised(values: Sequence[float], signs: Sequence[int]) -> float:
    """The sum of the values with their signs, over the root of the sum of their squares."""
    scale = math.sqrt(sum(value * value for value in values)) or 1.0
    return sum(sign * value for sign, value in zip(signs, values, strict=True)) / scale


def num_possible_orders(signs: Sequence[int], blocks: Sequence[int]) -> int:
    """Orders with as many of each sign in every block as were drawn."""
    sizes: dict[int, list[int]] = {}
    for sign, block in zip(signs, blocks, strict=True):
        sizes.setdefault(block, []).append(sign)
    return math.prod(math.comb(len(of), of.count(1)) for of in sizes.values())


def _first_stage(report: CheckReport, info: MetricInfo) -> FirstStage | None:
    """None where there was none: too few pairs, a design of one stage, or pairs of earlier attempts."""
    design = report.design
    first = design.num_pairs_first
    early = [one for one in report.launches if one.pair <= first]
    timed = counted_launches(early, max_steal=design.max_steal).launches
    num_run = len({one.pair for one in _whole(early)})
    if first == design.num_pairs_max or num_run < first or design.attempts:
        return None
    pairs = pair_launches(timed)
    metrics = {one.info.name: one for one in gated_metrics(pairs, report.metric_infos)}
    metric = metrics.get(info.name)
    if metric is None or len(metric.slowdowns) < 2:
        return None
    noise = _blinded_noise(metric, design, num_pairs=len(pairs))
    effect, boundary = effect_bounds(info, design)
    alpha, target = design.alpha / len(metrics), target_effect(info, design)
    futile = is_futile(timed, report.metric_infos, design)
    return FirstStage(
        num_pairs=len(pairs),
        theta=metric.theta,
        mean=mean(metric.slowdowns),
        error=standard_error(metric.slowdowns),
        change=metric.change(metric.theta),
        looks_slower=looks_slower(metric),
        looked_slower=[name for name, one in metrics.items() if looks_slower(one)],
        noise=noise,
        num_needed=None
        if noise is None
        else pairs_needed(noise, alpha=alpha, min_effect=effect, boundary=boundary, target=target),
        num_wanted=None if futile else resized_pairs(timed, report.metric_infos, design),
        num_run=len({one.pair for one in _whole(report.launches)}),
    )


def looks_slower(metric: PairedMetric) -> bool:
    """Whether a gated metric keeps a check from stopping after its first stage (`check_design.is_futile`)."""
    if len(metric.slowdowns) < 2:
        return True
    theta = metric.theta
    return (
        math.expm1(theta) > FUTILE_SLOWDOWN
        and mean(metric.slowdowns) > FUTILE_STANDARD_ERRORS * standard_error(metric.slowdowns)
        and metric.change(theta) >= metric.info.floor / 2
    )


def standard_error(values: Sequence[float]) -> float:
    """Of their mean."""
    return stdev(values) / math.sqrt(len(values))


def _blinded_noise(metric: PairedMetric, design: CheckDesign, *, num_pairs: int) -> float | None:
    """By the sizes of the log ratios alone, as `check_design.resized_pairs` has it; None for a metric without a say."""
    change = metric.change(math.log1p(target_effect(metric.info, design)))
    if num_pairs < 3 or change < metric.info.floor:
        return None
    return stdev(abs(shift) for shift in metric.shifts) / _HALF_NORMAL_SD
