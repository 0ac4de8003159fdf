"""What pairs of launches say of each metric: slower, faster, neither, or not to be told. No wall clock, no files."""

import math
from collections.abc import Sequence
from statistics import median

from ocrprof.results.check_design import (
    block_of,
    effect_bounds,
    is_futile,
    pairs_needed,
    smallest_detectable,
    target_effect,
)
from ocrprof.results.check_pairs import LaunchPair, PairedMetric, gated_metrics, pair_launches, paired_metric
from ocrprof.results.model import (
    Budget,
    CheckDesign,
    CheckVerdict,
    ExactChange,
    Launch,
    MetricInfo,
    MetricSummary,
    MetricVerdict,
)
from ocrprof.results.randomisation import max_t_test
from ocrprof.results.signed_rank import interval, upper_bound
from ocrprof.units import format_bytes, format_seconds

__all__ = ["is_futile", "judge_pairs", "overall_verdict"]

_CERTAINTY = 0.95
"""Of the marginal interval, and of the one-sided bound that a metric has to stay below to be called ok."""


def judge_pairs(
    launches: Sequence[Launch], infos: Sequence[MetricInfo], design: CheckDesign, final: bool
) -> list[MetricSummary]:
    """One summary for every sampled or bounded metric of `infos`, in their order.

    `final`: all pairs have been run, and the gated metrics are tested for a slowdown, once. Otherwise the check stopped
    because none looked slower (`is_futile`), and nothing can be confirmed as slower. Gains are tested either way, which
    is once in any check, but at one of two sizes that the data chose between: each therefore at half of alpha.
    """
    pairs = pair_launches(launches)
    gated = gated_metrics(pairs, infos)
    tested = max_t_test(
        [metric.shifts for metric in gated],
        [pair.sign for pair in pairs],
        [block_of(pair.number, num_pairs_first=design.num_pairs_first) for pair in pairs],
        seed=design.seed,
        margin=math.log1p(effect_bounds(gated[0].info, design)[1]) if gated else 0.0,
    )
    slower = {metric.info.name: p for metric, p in zip(gated, tested.slower, strict=True)}
    faster = {metric.info.name: p for metric, p in zip(gated, tested.faster, strict=True)}
    summaries = []
    for info in infos:
        if info.kind not in ("sampled", "bounded"):
            continue
        metric = paired_metric(pairs, info)
        if metric.why_not is not None:
            summaries.append(_without_ratio(metric, pairs))
            continue
        summary = _figures(metric, design, num_gated=max(len(gated), 1))
        if not info.gated:
            summaries.append(summary)
            continue
        summary = summary.model_copy(
            update={"p_fw": slower[info.name] if final else None, "p_fw_improved": faster[info.name]}
        )
        verdict, reason = _verdict(metric, summary, design)
        summaries.append(summary.model_copy(update={"verdict": verdict, "reason": reason}))
    return summaries


def overall_verdict(
    metrics: Sequence[MetricSummary], exact: Sequence[ExactChange] = (), budgets: Sequence[Budget] = ()
) -> CheckVerdict:
    """The verdict of a check whose arms both ran: the worst of its parts, gains last.

    A confirmed regression or a broken budget counts before a gated metric that one side lacks, and a metric that could
    not be told before one that improved.
    """
    verdicts = {metric.verdict for metric in metrics} | {change.verdict for change in exact}
    if "regressed" in verdicts or any(budget.kept is False for budget in budgets):
        return "regressed"
    if "missing" in verdicts or any(budget.kept is None for budget in budgets):
        return "not_comparable"
    if "inconclusive" in verdicts:
        return "inconclusive"
    return "improved" if "improved" in verdicts else "ok"


def _without_ratio(metric: PairedMetric, pairs: Sequence[LaunchPair]) -> MetricSummary:
    """The summary of a metric that has no ratios: missing, or nothing at all in both arms."""
    verdict: MetricVerdict
    if not metric.info.gated:
        verdict = "reported"
    elif metric.missing:
        verdict = "missing"
    else:
        verdict = "ok" if max(metric.base + metric.candidate) <= 0 else "inconclusive"
    return MetricSummary(
        name=metric.info.name,
        n=min(len(metric.base), len(pairs)),
        base_median=median(metric.base) if metric.base else None,
        candidate_median=median(metric.candidate) if metric.candidate else None,
        verdict=verdict,
        reason=metric.why_not,
    )


def _figures(metric: PairedMetric, design: CheckDesign, *, num_gated: int) -> MetricSummary:
    """Estimate, intervals and what could have been seen, without a verdict."""
    slowdowns, sd = metric.slowdowns, metric.sd
    alpha = design.alpha / num_gated
    min_effect, boundary = effect_bounds(metric.info, design)
    detectable = needed = None
    if sd is not None:
        detectable = smallest_detectable(sd, len(slowdowns), alpha=alpha, min_effect=min_effect, boundary=boundary)
        needed = pairs_needed(
            sd, alpha=alpha, min_effect=min_effect, boundary=boundary, target=target_effect(metric.info, design)
        )
    return MetricSummary(
        name=metric.info.name,
        n=len(slowdowns),
        ratio=math.exp(metric.theta),
        ci95=_ratios(interval(slowdowns, level=_CERTAINTY)),
        ci_simultaneous=_ratios(interval(slowdowns, level=1 - alpha)),
        sd_pair=sd,
        mde=detectable,
        pairs_needed=None if needed is None else max(needed + needed % 2, design.num_pairs_first),
        base_median=median(metric.base),
        candidate_median=median(metric.candidate),
        verdict="reported",
    )


def _ratios(bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (math.exp(bounds[0]), math.exp(bounds[1]))


def _verdict(metric: PairedMetric, summary: MetricSummary, design: CheckDesign) -> tuple[MetricVerdict, str | None]:
    theta, info = metric.theta, metric.info
    effect = math.log1p(effect_bounds(info, design)[0])
    gain_alpha = design.alpha / 2 if design.num_pairs_max > design.num_pairs_first else design.alpha
    confirmed = summary.p_fw is not None and summary.p_fw <= design.alpha
    if confirmed and theta >= effect:
        if metric.change(theta) >= info.floor:
            return "regressed", None
        return "ok", f"slower by less than its floor of {_amount(info, info.floor)}"
    gained = summary.p_fw_improved is not None and summary.p_fw_improved <= gain_alpha
    if gained and -theta >= effect and -metric.change(theta) >= info.floor:
        return "improved", None
    bound = upper_bound(metric.slowdowns, level=_CERTAINTY)
    if bound is not None and metric.change(bound) < info.floor:
        return "ok", f"slower by less than its floor of {_amount(info, info.floor)}"
    if bound is not None and math.expm1(bound) < target_effect(info, design):
        return "ok", f"slower by less than {_percent(math.expm1(bound))}" if bound > 0 else None
    return "inconclusive", _why_not_told(summary, info, design)


def _why_not_told(summary: MetricSummary, info: MetricInfo, design: CheckDesign) -> str:
    """What could have been seen, and what would settle it."""
    if summary.mde is None:
        return f"{summary.n} pairs are too few to see anything"
    seen = f"only a slowdown of {_percent(summary.mde)} or more would surely have been seen"
    if summary.pairs_needed is None:
        return f"{seen}; this machine is too noisy for it"
    if summary.pairs_needed > summary.n:
        return f"{seen}; {summary.pairs_needed} pairs would settle it"
    return f"{seen}; it may be slower by {_percent(target_effect(info, design))}, which was not confirmed"


def _amount(info: MetricInfo, value: float) -> str:
    match info.unit:
        case "seconds":
            return format_seconds(value)
        case "bytes":
            return format_bytes(value)
        case "samples_per_sec":
            return f"{value:g} samples/s"
    return f"{value:g}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.0995 else f"{100 * share:.0f} %"
