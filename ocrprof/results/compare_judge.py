"""Whether the second of two reports is slower: by pairs where both hold the same, else by an exact rank-sum test."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.results import holm, rank_sum
from ocrprof.results.ablation import measured_loop
from ocrprof.results.check_dropped import counted_launches
from ocrprof.results.check_statistics import judge_pairs, overall_verdict
from ocrprof.results.compare_causes import measured_runs
from ocrprof.results.compare_points import arm_name, later_epochs, same_session, setting_name, values_of
from ocrprof.results.model import (
    AblationReport,
    AnyReport,
    BaselineReport,
    CheckReport,
    CheckVerdict,
    MetricSummary,
    MetricVerdict,
    StartupReport,
    SweepReport,
)
from ocrprof.results.summary import milestone_key

ALPHA = 0.01
"""Of a slowdown told where there is none, in any of the figures that are judged: Holm's correction over all of them."""

TARGET = 0.10
"""A figure is ok only where a slowdown of this size is excluded."""

_CERTAINTY = 0.95
_BY_PAIRS = "by pairs: the randomisation test of `check`, on the launches of both reports"
_BY_RANKS = (
    "unpaired: exact one-sided rank-sum test, Holm over the figures, 1 % in all, and an effect of {effect:g} % or more "
    "by Hodges-Lehmann. It cannot tell a slower program from a machine that was slower the second time: "
    "`ocrprof check --against REF` can"
)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is judged: a value a run on both sides; above 0 worse where `higher_is_worse`."""

    name: str
    base: list[float]
    candidate: list[float]
    higher_is_worse: bool = True


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the gate says, and how it came to it."""

    metrics: list[MetricSummary]
    verdict: CheckVerdict
    test: str


def judge_comparison(base: AnyReport, candidate: AnyReport, *, min_effect: float) -> Judgement:
    """The verdict on two reports of one kind. `min_effect`: the slowdown that a confirmed one has to reach."""
    if isinstance(base, CheckReport) and isinstance(candidate, CheckReport) and same_session(base, candidate):
        return _by_pairs(base, candidate)
    found = unpaired(samples_of(base, candidate), min_effect=min_effect)
    verdict = overall_verdict(found) if found else "inconclusive"
    return Judgement(metrics=found, verdict=verdict, test=_BY_RANKS.format(effect=100 * min_effect))


def _by_pairs(base: CheckReport, candidate: CheckReport) -> Judgement:
    """The statistics of `check`, made again from the raw launches: the base's arm of one, the other's candidate."""
    launches = [
        *(launch for launch in base.launches if launch.arm == "base"),
        *(launch for launch in candidate.launches if launch.arm == "candidate"),
    ]
    design = candidate.design
    counted = counted_launches(launches, max_steal=design.max_steal).launches
    # A slowdown is tested where the check tested for one; where it stopped early, as its design has it, none is.
    final = any(metric.p_fw is not None for metric in candidate.metrics)
    found = judge_pairs(counted, candidate.metric_infos, design, final)
    return Judgement(metrics=found, verdict=overall_verdict(found), test=_BY_PAIRS)


def samples_of(base: AnyReport, candidate: AnyReport) -> list[Sample]:
    """What two reports have of independent runs: batches of one run are none."""
    sides = (base, candidate)
    if isinstance(base, BaselineReport) and isinstance(candidate, BaselineReport):
        return samples_of(base.startup, candidate.startup) if base.startup and candidate.startup else []
    if isinstance(base, StartupReport) and isinstance(candidate, StartupReport):
        walls = [[run.wall_seconds for run in measured_runs(side) if run.reached] for side in (base, candidate)]
        return [Sample(name=milestone_key(base.until), base=walls[0], candidate=walls[1])]
    if isinstance(base, SweepReport) and isinstance(candidate, SweepReport):
        rates = [_rates(side) for side in (base, candidate)]
        return [
            Sample(name=name, base=values, candidate=rates[1][name], higher_is_worse=False)
            for name, values in rates[0].items()
            if name in rates[1]
        ]
    if isinstance(base, AblationReport) and isinstance(candidate, AblationReport):
        arms = [{arm_name(arm): later_epochs(arm, loop=measured_loop(side.arms)) for arm in side.arms}
                for side in (base, candidate)]  # fmt: skip
        return [
            Sample(name=f"a later epoch, {name}", base=values, candidate=arms[1][name])
            for name, values in arms[0].items()
            if values and arms[1].get(name)
        ]
    if isinstance(base, CheckReport) and isinstance(candidate, CheckReport):
        infos = [info for info in base.metric_infos if info.gated and info.kind in ("sampled", "bounded")]
        return [
            Sample(
                name=info.name,
                base=values_of(base.launches, info.name, arm="candidate"),
                candidate=values_of(candidate.launches, info.name, arm="candidate"),
                higher_is_worse=info.direction == "lower",
            )
            for info in infos
        ]
    raise TypeError(f"nothing to judge in reports of kind {sides[0].kind} and {sides[1].kind}")


def _rates(report: SweepReport) -> dict[str, list[float]]:
    """Samples/s of every trial that came to its end, by setting."""
    found: dict[str, list[float]] = {}
    for trial in report.trials:
        seconds = sum(block.seconds for block in trial.blocks)
        rate = trial.train_samples_per_sec
        if rate is None and seconds > 0:
            rate = sum(block.num_samples for block in trial.blocks) / seconds
        if trial.status in ("ok", "ok_slow_exit") and rate is not None:
            found.setdefault(setting_name(trial.setting), []).append(rate)
    return found


def unpaired(samples: Sequence[Sample], *, min_effect: float) -> list[MetricSummary]:
    """A summary for each, in order; p values are Holm's."""
    usable = [one for one in samples if one.base and one.candidate and min(*one.base, *one.candidate) > 0]
    logs = {one.name: _worse_logs(one) for one in usable}
    slower = holm.adjusted({name: rank_sum.p_greater(base, candidate) for name, (base, candidate) in logs.items()})
    faster = holm.adjusted({name: rank_sum.p_greater(candidate, base) for name, (base, candidate) in logs.items()})
    return [
        _summary(one, logs[one.name], slower[one.name], faster[one.name], min_effect=min_effect, num=len(usable))
        if one.name in logs
        else MetricSummary(name=one.name, n=0, verdict="inconclusive", reason=_why_unusable(one))
        for one in samples
    ]


def _why_unusable(sample: Sample) -> str:
    if sample.base and sample.candidate:
        return "0 in some runs: no ratio can be had of it"
    return "one side has no run that counts"


def _worse_logs(sample: Sample) -> tuple[list[float], list[float]]:
    sign = 1 if sample.higher_is_worse else -1
    base, candidate = ([sign * math.log(value) for value in side] for side in (sample.base, sample.candidate))
    return base, candidate


def _summary(
    sample: Sample,
    logs: tuple[list[float], list[float]],
    slower: float,
    faster: float,
    *,
    min_effect: float,
    num: int,
) -> MetricSummary:
    base, candidate = logs
    theta = rank_sum.shift(base, candidate)
    interval = rank_sum.shift_interval(base, candidate, level=_CERTAINTY)
    bound = rank_sum.upper_bound(base, candidate, level=_CERTAINTY)
    verdict: MetricVerdict = "inconclusive"
    reason = None
    if slower <= ALPHA and theta >= math.log1p(min_effect):
        verdict = "regressed"
    elif faster <= ALPHA and -theta >= math.log1p(min_effect):
        verdict = "improved"
    elif bound is not None and bound < math.log1p(TARGET):
        verdict = "ok"
    elif rank_sum.smallest_p(len(base), len(candidate)) * num > ALPHA:
        reason = f"{len(base)} and {len(candidate)} runs can never confirm it at 1 %: {_enough(num)} on each side can"
    else:
        reason = f"a slowdown of {100 * TARGET:g} % is not excluded, and none is confirmed"
    return MetricSummary(
        name=sample.name,
        n=min(len(base), len(candidate)),
        ratio=math.exp(theta),
        ci95=None if interval is None else (math.exp(interval[0]), math.exp(interval[1])),
        p_fw=slower,
        p_fw_improved=faster,
        base_median=statistics.median(sample.base),
        candidate_median=statistics.median(sample.candidate),
        verdict=verdict,
        reason=reason,
    )


def _enough(num_figures: int) -> int:
    """Runs on each side with which complete separation is confirmed."""
    return next(n for n in range(1, 100) if rank_sum.smallest_p(n, n) * num_figures <= ALPHA)
