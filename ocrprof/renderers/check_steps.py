"""How a verdict on a metric came about, as steps of sentences and tables: the same wherever they are drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.renderers import figures_check as facts
from ocrprof.results.check_explanation import (
    FUTILE_SLOWDOWN,
    FUTILE_STANDARD_ERRORS,
    FirstStage,
    PairsExplanation,
    PairStep,
)
from ocrprof.results.check_parts import MetricPart
from ocrprof.results.check_ruling import Condition, Rule
from ocrprof.results.compare_words import value_text
from ocrprof.results.model import CheckDesign, CheckReport, ExactChange, MetricInfo, MetricSummary

_BUSY_CORES, _STOLEN_SHARE = 0.25, 0.01
"""Other programs' cores, and the hypervisor's share, from which on a pair is marked."""

_UNITS = {"seconds": "seconds", "bytes": "bytes", "count": "pieces", "samples_per_sec": "samples per second"}
_CLASSES = {
    "sampled": "every launch gives one value, and statistics over {units} decide",
    "bounded": "as for times, with a smaller least effect, and a floor in bytes",
    "exact": "one launch tells it, without statistics",
    "budget": "a limit that the caller set",
}
_MEANINGS = {
    "imports": "seconds in import statements, wherever they stand; what is nested counts once",
    "teardown": "from the program's last line to the end of its process",
    "cpu": "processor seconds of the program and its children",
    "peak_rss": "the most memory that the main process held",
    "peak_pss": "the most memory that the processes held together, what they share counted once",
}
_ENDINGS = {
    ".batch": "the median of the steady batches of a launch, wait for data and step together",
    ".fetch": "the wait for data of a steady batch, the median of a launch",
    ".later_epoch": "the median epoch from the second on",
    ".samples_per_sec": "samples in the steady batches by their seconds",
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: sentences, then a table where there are rows. `align` says < or > for each column."""

    heading: str
    sentences: Sequence[str] = ()
    titles: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    align: str = ""


def pair_steps(report: CheckReport, found: PairsExplanation) -> list[Step]:
    """From what the metric is to its verdict, and what may be behind it."""
    design, summary = report.design, found.found
    steps = [what_it_is(found.info, design), *parts_step(found.info, found.parts, of="the pairs that count")]
    steps.append(_every_pair(found, duet=design.duet == "parallel"))
    if found.metric.why_not is None:
        steps.append(_estimate(found))
        if found.first_stage is not None:
            steps.append(_first_stage(found.first_stage, found.info, design))
        if found.info.gated:
            steps += [_test(found, report), _sees(summary, found, design)]
    steps.append(ruling(found.info, found.rules, summary, found.told, agrees=found.agrees))
    return [*steps, *causes(report)]


def what_it_is(info: MetricInfo, design: CheckDesign) -> Step:
    """Unit, direction, class, floor, least effect, and whether it decides."""
    meaning = _meaning(info.name)
    way = "lower is better" if info.direction == "lower" else "higher is better"
    kind = _CLASSES[info.kind].format(units="sessions" if design.mode == "baseline" else "pairs of launches")
    told = [f"{meaning[0].upper()}{meaning[1:]}. In {_UNITS[info.unit]}, {way}. Class {info.kind}: {kind}."]
    if info.gated:
        floor = f" and from {value_text(info.floor, info.unit)} on" if info.floor else ""
        told.append(
            f"It decides: a change counts from {_share(info.min_effect)} on{floor}; a slowdown of "
            f"{_share(max(design.target_effect, 2 * info.min_effect))} has to be found."
        )
    else:
        told.append(
            "It does not decide: it is part of what does, or was not asked to (`--metrics` names what decides). No "
            "test is made of it, and it costs those of the others nothing."
        )
    return Step(heading="What it is", sentences=told)


def _meaning(name: str) -> str:
    if name.startswith("time_to_"):
        until = name.removeprefix("time_to_").replace("_", " ")
        return f"the time from the start of the process to its {until}"
    if name.startswith("startup."):
        phase = name.removeprefix("startup.").replace("_", " ")
        return f"the phase {phase} of the start; phases exclude each other and add up to the whole"
    ending = next((words for end, words in _ENDINGS.items() if name.endswith(end)), None)
    return _MEANINGS.get(name) or ending or "a figure of each launch"


def parts_step(info: MetricInfo, parts: Sequence[MetricPart], *, of: str) -> list[Step]:
    """What a total is made of, adding up; nothing where that is not known."""
    if not parts:
        return []
    rows = [
        (facts.metric_name(one.name), *_amounts((one.base, one.candidate), info), _change(one.change, info))
        for one in parts
    ]
    sums = [math.fsum(one.base for one in parts), math.fsum(one.candidate for one in parts)]
    rows.append(("all together", *_amounts(sums, info), _change(sums[1] - sums[0], info)))
    return [
        Step(
            heading="What it is made of",
            sentences=(f"Means over {of}, because means add up where medians do not; the largest change first.",),
            titles=("part", "base", "candidate", "change"),
            rows=rows,
            align="<>>>",
        )
    ]


def _every_pair(found: PairsExplanation, *, duet: bool) -> Step:
    info = found.info
    rows = [
        (
            str(one.number),
            "candidate" if one.candidate_second else "base",
            _cell(one.base, info),
            _cell(one.candidate, info),
            "" if one.slowdown is None else _signed(one.slowdown),
            _marks(one),
        )
        for one in found.pairs
    ]
    turned = "" if info.direction == "lower" else ", turned about because more is better"
    told = [f"Slowdown: the natural logarithm of candidate over base{turned}; above 0 the candidate is worse."]
    if found.metric.why_not is not None:
        told = [f"No ratios: {found.metric.why_not}."]
    elif found.metric.base and min(found.metric.base + found.metric.candidate) <= 0:
        told.append(f"Values below the floor of {value_text(info.floor, info.unit)} count as the floor: some are 0.")
    if any(_marks(one) for one in found.pairs):
        told.append(
            f"Marked: pairs of which the hypervisor took {100 * _STOLEN_SHARE:g} % or more (steal), or other "
            f"programs {_BUSY_CORES:g} cores or more (busy), in either launch. They count, unless they are left out."
        )
    titles = ("pair", "on CPUs 2" if duet else "second", "base", "candidate", "slowdown", "")
    return Step(heading="Every pair, in order", sentences=told, titles=titles, rows=rows, align="><>>><")


def _cell(value: float | None, info: MetricInfo) -> str:
    """Of a narrow table: samples per second without their long unit."""
    return f"{value:.4g}" if value is not None and info.unit == "samples_per_sec" else value_text(value, info.unit)


def _marks(one: PairStep) -> str:
    marks = ["left out"] if one.left_out else []
    if one.stolen_share >= _STOLEN_SHARE or one.left_out:
        marks.append(f"steal {one.stolen_share * 100:.1f} %")
    if one.others_busy_cores is not None and one.others_busy_cores >= _BUSY_CORES:
        marks.append(f"busy {one.others_busy_cores:.1f}")
    if one.attempt is not None:
        marks.append(f"attempt {one.attempt}")
    return ", ".join(marks)


def _estimate(found: PairsExplanation) -> Step:
    metric, summary, info = found.metric, found.found, found.info
    num = len(metric.slowdowns)
    change = _change(metric.change(metric.theta) * (1 if info.direction == "lower" else -1), info)
    level = 100 * (1 - _alpha_each(found))
    told = [
        f"Hodges-Lehmann: the median of the {num * (num + 1) // 2} means of two of the {num} log slowdowns (or of one "
        f"with itself) is {_signed(metric.theta)}, as a share {facts.worse_by(summary)}, where above 0 is worse: "
        f"{change} of the base's median, {value_text(summary.base_median, info.unit)}.",
        f"95 % interval: {_interval(summary.ci95)}; at {level:.4g} %, for all {found.num_gated} deciding metrics "
        f"together: {_interval(summary.ci_simultaneous)}. Both are bounds among these means, by the exact signed-rank "
        "distribution.",
    ]
    return Step(heading="The estimate and its intervals", sentences=told)


def _alpha_each(found: PairsExplanation) -> float:
    return found.alpha / max(found.num_gated, 1)


def _interval(bounds: tuple[float, float] | None) -> str:
    if bounds is None:
        return "none, too few pairs for one"
    low, high = (facts.share_text(bound - 1).removesuffix(" %") for bound in bounds)
    return f"[{low}, {high}] %"


def _first_stage(stage: FirstStage, info: MetricInfo, design: CheckDesign) -> Step:
    ratio = stage.mean / stage.error if stage.error else math.inf
    floor = f", and a change of {value_text(info.floor / 2, info.unit)} or more" if info.floor else ""
    told = [
        f"After {stage.num_pairs} pairs the estimate was {facts.share_text(math.expm1(stage.theta))}, the mean "
        f"{_signed(stage.mean)}, which is {ratio:.2f} times its standard error of {stage.error:.4f}. Slower looks "
        f"what has an estimate above {_share(FUTILE_SLOWDOWN)}, a mean above {FUTILE_STANDARD_ERRORS:g} standard "
        f"errors{floor}: " + ("it does." if stage.looks_slower else "it does not.")
    ]
    if stage.num_wanted is None:
        told.append("No deciding metric looked slower, so the check stopped: more pairs could hardly confirm one.")
        return Step(heading="After the first stage", sentences=told)
    told.append(f"Looked slower: {', '.join(map(facts.metric_name, stage.looked_slower))}. So the check went on.")
    if stage.noise is None:
        told.append("This metric had no say in how far: of it the slowdown to be found lies below the floor.")
    else:
        needed = f"{stage.num_needed} pairs" if stage.num_needed is not None else "more pairs than can be"
        told.append(
            f"How far is told by the noise alone, which does not know the arms: {stage.noise * 100:.1f} % here, which "
            f"needs {needed}."
        )
    told.append(f"Over all metrics, and {design.num_pairs_max} at most: {stage.num_wanted} pairs.")
    if stage.num_run > stage.num_wanted:
        told.append(f"Those were noisier than the first, and asked for more: {stage.num_run} were run.")
    return Step(heading="After the first stage", sentences=told)


def _test(found: PairsExplanation, report: CheckReport) -> Step:
    test = found.test
    if test is None:
        return Step(heading="The test", sentences=("None: there were no pairs to test.",))
    tried = "all that were possible" if test.enumerated else f"drawn from {test.num_possible:.3g} possible ones"
    told = [
        f"The statistic is the larger of two forms, each a sum with the signs of the order over the root of the sum of "
        f"squares: {_signed(test.rank, 3)} of the signed ranks, {_signed(test.mean, 3)} of the log ratios themselves.",
        "Had the code not changed, any order of the pairs with as many of each kind in each block would have given "
        f"these launches as likely. {test.num_orders} were tried, {tried}.",
    ]
    if report.design.attempts:
        told.append("The pairs of earlier attempts and of this one are tested together, once.")
    if found.found.p_fw is None:
        why = report.design.stopped_because or "the check was cut short"
        told.append(f"No slowdown is tested for: {why}.")
    else:
        told.append(
            f"In {test.num_reaching} of them (the real one among these) some deciding metric of {found.num_gated} has "
            f"a statistic as large: family-wise p {probability_text(test.p)}."
        )
    told.append(f"The same for a gain: p {probability_text(test.p_gain)}.")
    return Step(heading="The test", sentences=told)


def _sees(summary: MetricSummary, found: PairsExplanation, design: CheckDesign) -> Step:
    if summary.sd_pair is None or summary.mde is None:
        return Step(heading="What could be seen", sentences=("Too few pairs to tell.",))
    target = max(design.target_effect, 2 * found.info.min_effect)
    needed = f"{summary.pairs_needed} pairs" if summary.pairs_needed is not None else "more pairs than can be run"
    told = (
        f"The pairs' log slowdowns differ by {summary.sd_pair * 100:.1f} % (standard deviation). With {summary.n} such "
        f"pairs 95 of 100 checks confirm a slowdown of {_share(summary.mde)}, the smallest that could surely be seen; "
        f"one of {_share(target)} needs {needed}. By the noncentral t at {_alpha_each(found) * 100:.2g} % (alpha over "
        f"{found.num_gated} metrics), which errs on the side of more.",
    )
    return Step(heading="What could be seen", sentences=told)


def ruling(
    info: MetricInfo, rules: Sequence[Rule], found: MetricSummary, told: MetricSummary | None, *, agrees: bool
) -> Step:
    """The rules that were tried, up to the one that applied, and what the report says."""
    rows = []
    applied = False
    for number, rule in enumerate(rules, start=1):
        applied = rule.applies
        for index, one in enumerate(rule.conditions):
            name = f"{number}. {facts.VERDICT_WORDS[rule.verdict]} if" if index == 0 else "and"
            rows.append((name, *_condition(one, info)))
        if applied:
            break
    if rules and not applied:
        rows.append((f"{len(rules) + 1}. inconclusive", "", "else", ""))
    if not rules:
        because = found.reason or "it does not decide"
        sentences = [f"{facts.VERDICT_WORDS[found.verdict]}: {because}."]
    else:
        sentences = ["The first rule of which all conditions hold decides."]
        sentences.append(f"So: {facts.VERDICT_WORDS[found.verdict]}{': ' + found.reason if found.reason else ''}.")
    if agrees:
        sentences.append("All of this was made again from the launches, and comes to what the report says.")
    elif told is not None:
        p = f", p {facts.p_text(told)}" if told.p_fw is not None else ""
        sentences.append(
            f"NOT AS IN THE REPORT, which says {facts.VERDICT_WORDS[told.verdict]}, "
            f"{facts.worse_by(told) or 'no ratio'}{p}: it was made by another version, or changed."
        )
    titles = ("rule", "what", "is", "") if rows else ()
    return Step(heading="The verdict", sentences=sentences, titles=titles, rows=rows, align="<<><" if rows else "")


def _condition(one: Condition, info: MetricInfo) -> tuple[str, str, str]:
    what, limit, value = {
        "p": ("p at most", probability_text(one.limit), probability_text(one.value)),
        "effect": ("slower by at least", _share(one.limit), _share(one.value)),
        "floor": ("which is at least", value_text(one.limit, info.unit), _change(one.value, info)),
        "below_floor": ("which is less than", value_text(one.limit, info.unit), _change(one.value, info)),
        "gain_p": ("p of a gain at most", probability_text(one.limit), probability_text(one.value)),
        "gain_effect": ("faster, to at most", _share(one.limit), _share(one.value)),
        "gain_floor": ("a gain of at least", value_text(one.limit, info.unit), _change(one.value, info)),
        "bound_floor": ("95 % bound below", value_text(one.limit, info.unit), _change(one.value, info)),
        "bound_target": ("95 % bound below", _share(one.limit), _share(one.value)),
        "few_sessions": ("sessions fewer than", f"{one.limit:g}", f"{one.value or 0:g}"),
        "blind": ("sees no less than", _share(one.limit), _share(one.value)),
    }[one.name]
    return f"{what} {limit}", value, "yes" if one.met else "no"


def causes(report: CheckReport) -> list[Step]:
    """What differs exactly, and may be behind a change: imports first, each with its line."""
    changes = [one for one in facts.exact_changes(report) if one.verdict != "missing"]
    if not changes:
        nothing = "Nothing that needs no statistics differs between the two." if report.exact else "Not compared."
        return [Step(heading="What else changed", sentences=(nothing,))]
    ordered = sorted(changes, key=lambda one: not facts.is_of_imports(one))
    told = [line for change in ordered for line in _cause(change, cwd=report.target.cwd)]
    return [Step(heading="What else changed, and may be the cause", sentences=told)]


def _cause(change: ExactChange, *, cwd: str) -> list[str]:
    added = facts.groups(change, change.added)
    lines = [f"{facts.VERDICT_WORDS[change.verdict]}: {facts.exact_sentence(change)}"]
    return [*lines, *(f"+ {facts.group_text(group, cwd=cwd)}" for group in added)]


def _amounts(values: Sequence[float], info: MetricInfo) -> tuple[str, ...]:
    return tuple(value_text(value, info.unit) for value in values)


def _change(value: float | None, info: MetricInfo) -> str:
    if value is None:
        return "not known"
    return f"{'−' if value < 0 else '+'}{value_text(abs(value), info.unit)}"


def _share(share: float | None) -> str:
    return "not known" if share is None else facts.share_text(share)


def probability_text(p: float | None) -> str:
    """A probability; of a test that was not made that."""
    if p is None:
        return "not tested"
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def _signed(value: float, digits: int = 4) -> str:
    return f"{'−' if value < 0 else '+'}{abs(value):.{digits}f}"
