"""Steps to a verdict that needs no pairs: against stored sessions, of an exact metric, and of a budget."""

import math
from collections.abc import Sequence

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.check_steps import Step, causes, parts_step, probability_text, ruling, what_it_is
from ocrprof.renderers.places import plain
from ocrprof.results.check_baseline import MIN_SESSIONS, REFERENCE
from ocrprof.results.check_exact import ExactRule
from ocrprof.results.check_session_explanation import SessionsExplanation
from ocrprof.results.check_told import BudgetExplanation, ExactExplanation, ExactMember
from ocrprof.results.compare_words import value_text
from ocrprof.results.model import CheckReport, MetricInfo, MetricSummary, SessionFigures

_NUM_SHA = 10
_RULES = {
    "more": "it is a regression where it grew by more than the allowance",
    "fewer": "it is a regression where it fell by more than the allowance",
    "new": "it is a regression where a member is new, whatever else has gone",
    "repeated": "it is a regression where what the base did already is done more often",
    "never": "a difference is told, and never fails a check",
}


def session_steps(report: CheckReport, found: SessionsExplanation) -> list[Step]:
    """From the stored sessions to the verdict on a metric."""
    info, design = found.info, report.design
    steps = [what_it_is(info, design), *parts_step(info, found.parts, of="the launches, and over the sessions' means")]
    if not found.sessions:
        told = f"The report does not hold the stored sessions: {_missing(found)}."
        return [*steps, Step(heading="The sessions", sentences=(told,)), *causes(report)]
    steps.append(_sessions(found))
    if found.prediction is not None:
        steps.append(_prediction(found, design.alpha))
    if found.found is not None:
        steps.append(ruling(info, found.rules, found.found, found.told, agrees=found.agrees))
    return [*steps, *causes(report)]


def _missing(found: SessionsExplanation) -> str:
    return "it was written by an earlier version, or none of them has this metric"


def _sessions(found: SessionsExplanation) -> Step:
    info = found.info
    rows = [
        (str(number), *_session(one, info), value_text(one.medians[info.name], info.unit))
        for number, one in enumerate(found.sessions, start=1)
    ]
    here = f"{len(found.launches)} launches"
    rows.append(("this", "", "", here, "" if found.now is None else value_text(found.now, info.unit)))
    told = (
        "A session is one figure, the median (of logarithms) of its launches: what shifts a whole session is common to "
        f"all of these. With fewer than {MIN_SESSIONS} sessions times are told and not judged."
    )
    titles = ("session", "measured", "commit", "launches", "median")
    return Step(heading="The sessions", sentences=(told,), titles=titles, rows=rows, align="><<>>")


def _session(one: SessionFigures, info: MetricInfo) -> tuple[str, str, str]:
    return one.created[:16].replace("T", " "), (one.sha or "")[:_NUM_SHA], str(one.num_launches)


def _prediction(found: SessionsExplanation, alpha: float) -> Step:
    one, quantiles, summary = found.prediction, found.quantiles, found.found
    if one is None or quantiles is None or summary is None or found.p is None:
        raise ValueError("a step that needs a prediction")
    turned = "" if found.info.direction == "lower" else ", with their signs turned: more is better"
    told = [
        f"In logarithms{turned}: the {one.num} sessions have a mean of {one.center:.4f} and a standard deviation of "
        f"{one.deviation:.4f}; this one lies {_signed(one.difference)} from it, {facts.worse_by(summary)} worse."
    ]
    if one.kappa:
        told.append(
            f"Taken out before: {one.kappa:.2f} times the logarithm of the fixed work that was timed beside each "
            f"session (`{REFERENCE}`), the slope over the sessions; it costs a degree of freedom, and widens the error "
            f"by a leverage of {one.leverage:.3f}."
        )
    inside, test, power = quantiles
    leverage = " + leverage" if one.leverage else ""
    told += [
        f"Standard error of a new session's difference: {one.deviation:.4f} × √(1 + 1/{one.num}{leverage}) = "
        f"{one.error:.4f}. Student's t with {one.df} degrees of freedom: {inside:.2f} of them give the 95 % prediction "
        f"interval, {facts.interval_text(summary)} %.",
        f"t = {_ratio(one.difference, one.error)}, one-sided p {probability_text(found.p)}; over "
        f"{found.num_gated} deciding metrics by Holm {probability_text(summary.p_fw)}.",
        f"The smallest slowdown that could be seen: ({test:.2f} + {power:.2f}) standard errors, for the test at "
        f"{alpha / found.num_gated * 100:.2g} % and a power of 95 %: {_mde(summary)}.",
    ]
    return Step(heading="The prediction", sentences=told)


def _mde(summary: MetricSummary) -> str:
    return "not known" if summary.mde is None else facts.share_text(summary.mde)


def exact_steps(report: CheckReport, found: ExactExplanation) -> list[Step]:
    """Of an exact metric: what is compared by which rule, and every member with its place."""
    change = found.change
    told = [f"{plain(found.name)}: exact, one launch of each side tells it, without statistics."]
    told.append(f"{_rule(found.rule)}.")
    if change is None:
        told.append("There is nothing that it was compared with.")
    else:
        told.append(f"{facts.VERDICT_WORDS[change.verdict]}: {facts.exact_sentence(change)}.")
    if found.unsteady:
        told.append(
            f"Two launches of one state differ in {len(found.unsteady)} of it, which is left out: "
            f"{', '.join(map(plain, found.unsteady))}."
        )
    steps = [Step(heading="What it is, and the verdict", sentences=told)]
    if found.members:
        steps.append(_members(found.members))
    elif found.value is not None:
        steps.append(Step(heading="Its figure", sentences=(f"{found.value:.10g} in the candidate.",)))
    return steps


def _rule(rule: ExactRule | None) -> str:
    if rule is None:
        return "Rule: a difference is told, and fails a check only where `--min-effect` gave it an allowance"
    words = f"Rule: {_RULES[rule.worse]}"
    if rule.worse not in ("more", "fewer"):
        return words
    parts = [f"{rule.allowed:g}"] if rule.allowed else []
    parts += [f"{100 * rule.allowed_share:g} % of the base's"] if rule.allowed_share else []
    return (
        f"{words}, {' or '.join(parts)}{', whichever is more' if len(parts) > 1 else ''}; `--min-effect` sets another"
    )


def _members(members: Sequence[ExactMember]) -> Step:
    counted = any((one.in_candidate or 0) > 1 or (one.in_base or 0) > 1 for one in members)
    rows: list[Sequence[str]] = [
        (_mark(one, counted=counted), plain(one.name), plain(one.place or "")) for one in members
    ]
    num_new = sum(one.in_base == 0 for one in members)
    num_gone = sum(one.in_candidate == 0 for one in members)
    told = f"{len(members)} in all, {num_new} new (+), {num_gone} gone (−), in the order in which they came."
    titles: Sequence[str] = ("base → now" if counted else "", "name", "first asked for at")
    if not any(one.place for one in members):
        rows, titles = [row[:2] for row in rows], titles[:2]
    return Step(heading="All of its members", sentences=(told,), titles=titles, rows=rows, align="<" * len(titles))


def _mark(one: ExactMember, *, counted: bool) -> str:
    sign = "+" if one.in_base == 0 else "−" if one.in_candidate == 0 else ""
    if not counted:
        return sign
    before = "?" if one.in_base is None else str(one.in_base)
    return f"{before} → {one.in_candidate}" if one.in_base != one.in_candidate else str(one.in_candidate)


def budget_steps(found: Sequence[BudgetExplanation], info: MetricInfo | None) -> list[Step]:
    """Of every budget of a metric: its limit, the value, and what decided."""
    return [Step(heading=f"Budget {one.budget.text}", sentences=_budget(one, info)) for one in found]


def _budget(found: BudgetExplanation, info: MetricInfo | None) -> list[str]:
    budget, unit = found.budget, info.unit if info is not None else "count"
    told = [f"{facts.budget_sentence(budget)}."]
    if budget.value is not None and budget.limit is not None:
        told.append(f"Value {value_text(budget.value, unit)}, limit {value_text(budget.limit, unit)}.")
    if found.bounds is not None:
        low, high = (value_text(bound, unit) for bound in found.bounds)
        told.append(
            f"The value is the median of {found.num_values} launches of the candidate. It breaches the limit only "
            f"where the whole 95 % interval of their centre, {low} to {high}, lies above: a budget must not fail "
            "on noise."
        )
    elif found.num_values:
        told.append(
            f"The median of {found.num_values} launches decides: too few for an interval, which six or more would have."
        )
    return told


def _ratio(difference: float, error: float) -> str:
    return f"{difference:.4f} / {error:.4f} = {difference / error if error else math.inf:.2f}"


def _signed(value: float) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.4f}"
