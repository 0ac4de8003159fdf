"""The rules by which a metric gets its verdict, as conditions that each tell what was compared with what.

`check_statistics` (pairs) and `check_baseline` (stored sessions) decide; these are the same rules laid open, and are
tested against them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ocrprof.results.check_baseline import CERTAINTY, MIN_SESSIONS, Prediction, change_of
from ocrprof.results.check_design import effect_bounds, target_effect
from ocrprof.results.check_pairs import PairedMetric
from ocrprof.results.model import CheckDesign, MetricInfo, MetricSummary, MetricVerdict
from ocrprof.results.signed_rank import upper_bound
from ocrprof.results.student_t import t_quantile

ConditionName = Literal[
    "p", "effect", "floor", "below_floor", "gain_p", "gain_effect", "gain_floor", "bound_floor", "bound_target",
    "few_sessions", "blind",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison of a rule: of `value` (None: not known) with `limit`."""

    name: ConditionName
    value: float | None
    limit: float
    met: bool


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The verdict that follows where all conditions are met."""

    verdict: MetricVerdict
    conditions: tuple[Condition, ...]

    @property
    def applies(self) -> bool:
        """Whether all conditions are met."""
        return all(one.met for one in self.conditions)


def pair_rules(metric: PairedMetric, summary: MetricSummary, design: CheckDesign) -> list[Rule]:
    """What decides on a gated metric, in the order in which it is tried; those of `check_statistics`."""
    info, theta = metric.info, metric.theta
    effect, floor = effect_bounds(info, design)[0], info.floor
    two_stages = design.num_pairs_max > design.num_pairs_first
    change = metric.change(theta)
    confirmed = _at_most("p", summary.p_fw, design.alpha)
    slower = _slower(theta, effect)
    gain = (
        _at_most("gain_p", summary.p_fw_improved, design.alpha / 2 if two_stages else design.alpha),
        _faster(theta, effect),
        _at_least("gain_floor", -change, floor),
    )
    bound = upper_bound(metric.slowdowns, level=CERTAINTY)
    return [
        Rule(verdict="regressed", conditions=(confirmed, slower, _at_least("floor", change, floor))),
        Rule(verdict="ok", conditions=(confirmed, slower, _below("below_floor", change, floor))),
        Rule(verdict="improved", conditions=gain),
        *bound_rules(bound, None if bound is None else metric.change(bound), info, design),
    ]


def bound_rules(bound: float | None, change: float | None, info: MetricInfo, design: CheckDesign) -> list[Rule]:
    """What calls a metric ok: the 95 % upper bound of its log slowdown, or what that is in its own unit."""
    share = None if bound is None else math.expm1(bound)
    return [
        Rule(verdict="ok", conditions=(_below("bound_floor", change, info.floor),)),
        Rule(verdict="ok", conditions=(_below("bound_target", share, target_effect(info, design)),)),
    ]


def _slower(theta: float, effect: float) -> Condition:
    return Condition(name="effect", value=math.expm1(theta), limit=effect, met=theta >= math.log1p(effect))


def _faster(theta: float, effect: float) -> Condition:
    limit = math.expm1(-math.log1p(effect))
    return Condition(name="gain_effect", value=math.expm1(theta), limit=limit, met=-theta >= math.log1p(effect))


def _at_most(name: ConditionName, value: float | None, limit: float) -> Condition:
    return Condition(name=name, value=value, limit=limit, met=value is not None and value <= limit)


def _at_least(name: ConditionName, value: float, limit: float) -> Condition:
    return Condition(name=name, value=value, limit=limit, met=value >= limit)


def _below(name: ConditionName, value: float | None, limit: float) -> Condition:
    return Condition(name=name, value=value, limit=limit, met=value is not None and value < limit)


def verdict_of(rules: Sequence[Rule]) -> MetricVerdict:
    """The verdict of the first rule that applies."""
    return next((rule.verdict for rule in rules if rule.applies), "inconclusive")


def session_rules(info: MetricInfo, prediction: Prediction, summary: MetricSummary, design: CheckDesign) -> list[Rule]:
    """What decides on a gated metric against stored sessions, in the order in which it is tried."""
    theta, center = prediction.difference, summary.base_median or 0.0
    change = change_of(info, center, theta)
    bound = theta + t_quantile(CERTAINTY, prediction.df) * prediction.error
    target, effect = target_effect(info, design), info.min_effect
    blind = Condition(
        name="blind", value=summary.mde, limit=target, met=summary.mde is not None and summary.mde > target
    )
    return [
        Rule(verdict="reported", conditions=(_below("few_sessions", summary.n, MIN_SESSIONS),)),
        Rule(verdict="inconclusive", conditions=(blind,)),
        Rule(
            verdict="regressed",
            conditions=(
                _at_most("p", summary.p_fw, design.alpha),
                _slower(theta, effect),
                _at_least("floor", change, info.floor),
            ),
        ),
        Rule(
            verdict="improved",
            conditions=(
                _at_most("gain_p", summary.p_fw_improved, design.alpha),
                _faster(theta, effect),
                _at_least("gain_floor", -change, info.floor),
            ),
        ),
        *bound_rules(bound, change_of(info, center, bound), info, design),
    ]
