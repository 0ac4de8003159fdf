"""A check's verdict in one sentence: what got worse, by how much, and how sure that is."""

from collections.abc import Sequence
from statistics import median

from ocrprof.results.check_exact import exact_sentence
from ocrprof.results.model import Budget, CheckVerdict, ExactChange, MetricInfo, MetricSummary

_UNITS = ("_samples_per_sec", "_seconds", "_bytes")
_NUM_EXACT = 2


def headline(
    verdict: CheckVerdict,
    metrics: Sequence[MetricSummary],
    exact: Sequence[ExactChange] = (),
    budgets: Sequence[Budget] = (),
    *,
    replicates: str = "pairs",
) -> str:
    """The sentence that follows the verdict's word, as in `startup.import +11.8 % [8.9, 14.6] (24 pairs, …)`.

    The metric named is a total time, else that with the largest change, among those of the verdict; the others are
    counted. For verdicts that the statistics do not give (`failed`, and `not_comparable` by machine) the caller has the
    better sentence. `replicates`: what the n of a metric counts, which against a stored baseline are sessions.
    """
    parts: list[str] = []
    match verdict:
        case "regressed" | "improved":
            parts += _moved(verdict, metrics, replicates)
            parts += [exact_sentence(change) for change in exact if change.verdict == verdict][:_NUM_EXACT]
            if verdict == "regressed":
                parts += [_broken(budget) for budget in budgets if budget.kept is False]
        case "inconclusive":
            parts += _untold(metrics, replicates)
        case "not_comparable":
            parts += [f"{metric.name}: {metric.reason}" for metric in metrics if metric.verdict == "missing"]
            parts += [exact_sentence(change) for change in exact if change.verdict == "missing"]
            parts += [f"budget {one.text}: {one.reason}" for one in budgets if one.kept is None]
        case _:
            num_kept = sum(one.kept is True for one in budgets)
            parts += _quiet(metrics, exact, num_kept=num_kept, replicates=replicates)
    return "; ".join(parts)


def noise_sentence(metrics: Sequence[MetricSummary], infos: Sequence[MetricInfo]) -> str:
    """Of a check of a commit with itself: how far its pairs differ, and what would have been called a change."""
    gated = {info.name for info in infos if info.gated}
    judged = [metric for metric in metrics if metric.name in gated]
    noisy = [metric for metric in judged if metric.sd_pair is not None]
    if not noisy:
        return "identical code: no pairs were run"
    worst = max(noisy, key=lambda metric: metric.sd_pair or 0.0)
    middle = median(metric.sd_pair or 0.0 for metric in noisy)
    called = {one: sum(metric.verdict == one for metric in judged) for one in ("regressed", "improved", "inconclusive")}
    return (
        f"identical code: pairs differ by {_percent(middle)} (standard deviation, the median of {len(noisy)} metrics), "
        f"by {_percent(worst.sd_pair or 0.0)} in {worst.name}; {called['regressed']} called slower, "
        f"{called['improved']} faster, {called['inconclusive']} not to be told"
    )


def _moved(verdict: str, metrics: Sequence[MetricSummary], replicates: str) -> list[str]:
    moved = [metric for metric in metrics if metric.verdict == verdict]
    if not moved:
        return []
    # What people wait for before what explains it or takes no time.
    moved.sort(key=lambda metric: (not metric.name.startswith("time_to_"), -abs((metric.ratio or 1.0) - 1)))
    more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
    return [metric_sentence(moved[0], replicates) + more]


def _broken(budget: Budget) -> str:
    value = "" if budget.value is None else f"{budget.value:.10g}"
    return f"budget {budget.text} not kept: {budget.reason or value}"


def _untold(metrics: Sequence[MetricSummary], replicates: str) -> list[str]:
    """The metric that would need the most pairs."""
    untold = [metric for metric in metrics if metric.verdict == "inconclusive"]
    untold.sort(key=lambda metric: (metric.pairs_needed is None, metric.pairs_needed or 0), reverse=True)
    if not untold:
        return []
    worst = untold[0]
    more = f" and {len(untold) - 1} more" if len(untold) > 1 else ""
    reason = f": {worst.reason}" if worst.reason else ""
    return [f"{metric_sentence(worst, replicates)}{more}{reason}"]


def _quiet(
    metrics: Sequence[MetricSummary], exact: Sequence[ExactChange], *, num_kept: int, replicates: str
) -> list[str]:
    judged = [metric for metric in metrics if metric.verdict != "reported"]
    parts = []
    if judged:
        num = max(metric.n for metric in judged)
        seen = [metric.mde for metric in judged if metric.mde is not None]
        sees = f", sees {_percent(min(seen))} to {_percent(max(seen))} and more" if seen else ""
        plural = "s" if len(judged) > 1 else ""
        parts.append(f"none of {len(judged)} metric{plural} is slower ({num} {replicates}{sees})")
    different = [change for change in exact if change.verdict == "changed"]
    if different:
        parts += [exact_sentence(change) for change in different[:_NUM_EXACT]]
    elif exact:
        parts.append(f"{len(exact)} exact metrics as before")
    if num_kept:
        parts.append(f"{num_kept} budget{'s' if num_kept > 1 else ''} kept")
    return parts or ["nothing was judged"]


def metric_sentence(metric: MetricSummary, replicates: str = "pairs") -> str:
    """`startup.import +11.8 % [8.9, 14.6] (24 pairs, p_fw 0.0004, MDE 6 %)`; the interval is the 95 % one."""
    name = next((metric.name.removesuffix(unit) for unit in _UNITS if metric.name.endswith(unit)), metric.name)
    words = [name]
    if metric.ratio is not None:
        words.append(f"{_signed(metric.ratio - 1)} %")
    if metric.ci95 is not None:
        low, high = (_signed(bound - 1).removeprefix("+") for bound in metric.ci95)
        words.append(f"[{low}, {high}]")
    facts = [f"{metric.n} {replicates}"]
    p = metric.p_fw_improved if metric.verdict == "improved" else metric.p_fw
    if p is not None:
        facts.append(f"p_fw {p:.4f}" if p < 0.1 else f"p_fw {p:.2f}")
    if metric.mde is not None:
        facts.append(f"MDE {_percent(metric.mde)}")
    return f"{' '.join(words)} ({', '.join(facts)})"


def _signed(share: float) -> str:
    percent = round(share * 100, 1)
    return f"{'−' if percent < 0 else '+'}{abs(percent):.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.095 else f"{100 * share:.0f} %"
