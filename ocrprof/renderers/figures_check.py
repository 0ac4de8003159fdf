"""What a check found, as sentences and cells: the same on the terminal, in Markdown, on the page and in CI."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ocrprof.renderers.places import keep_head, place, plain
from ocrprof.results.check_exact import exact_sentence as told_of
from ocrprof.results.check_exact import packages_of
from ocrprof.results.compare_words import value_text
from ocrprof.results.model import (
    Budget,
    CheckDesign,
    CheckReport,
    ExactChange,
    ExactItem,
    FingerprintField,
    GitState,
    Launch,
    Location,
    MetricInfo,
    MetricSummary,
)
from ocrprof.units import format_bytes, format_seconds

VERDICT_WORDS = {
    "regressed": "REGRESSED",
    "improved": "improved",
    "ok": "ok",
    "inconclusive": "inconclusive",
    "not_comparable": "NOT COMPARABLE",
    "failed": "FAILED",
    "changed": "changed",
    "missing": "MISSING",
    "reported": "not gated",
}
_SEVERITY = ("regressed", "missing", "inconclusive", "changed", "improved", "ok", "reported")
_MODES = {
    "against": "pairs of fresh processes of both commits in random order",
    "baseline": "this commit against a stored baseline",
    "exact": "what needs one run: no times are judged",
    "aa": "both arms are the same commit: what differs is the machine's own noise",
}
_TIERS = {"refuse": "makes times incomparable", "treatment": "part of what is compared", "warn": "may shift times"}
_NUM_NAMES = 4
_UNITS = ("_seconds", "_bytes")


@dataclass(frozen=True)
class AddedGroup:
    """Members of an exact metric under one top-level name, and the line that brought the first of them."""

    name: str
    count: int
    location: Location | None
    seconds: float | None
    detail: str | None = None


def metric_name(name: str) -> str:
    """`time_to_first_step` of `time_to_first_step_seconds`: the unit stands with the figure."""
    return plain(next((name.removesuffix(unit) for unit in _UNITS if name.endswith(unit)), name))


def info_of(report: CheckReport, name: str) -> MetricInfo | None:
    """What is known of a metric beside its figures."""
    return next((info for info in report.metric_infos if info.name == name), None)


def share_text(share: float | None) -> str:
    """`+11.8 %`, `−3.2 %`: the sign always stands, a true minus."""
    if share is None:
        return ""
    percent = round(share * 100, 1)
    return f"{'−' if percent < 0 else '+'}{abs(percent):.1f} %"


def worse_by(metric: MetricSummary) -> str:
    """By how much the candidate is worse; with a minus, better."""
    return share_text(None if metric.ratio is None else metric.ratio - 1)


def interval_text(metric: MetricSummary) -> str:
    """The 95 % interval of `worse_by`, `[+8.9, +14.6]`."""
    if metric.ci95 is None:
        return ""
    low, high = (share_text(bound - 1).removesuffix(" %") for bound in metric.ci95)
    return f"[{low}, {high}]"


def p_text(metric: MetricSummary) -> str:
    """The family-wise p value: of an improvement that of the mirrored test."""
    p = metric.p_fw_improved if metric.verdict == "improved" else metric.p_fw
    if p is None:
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.1 else f"{p:.2f}"


def mde_text(metric: MetricSummary) -> str:
    """The smallest slowdown that these pairs could have seen."""
    return "" if metric.mde is None else f"{metric.mde * 100:.1f} %"


def medians_text(report: CheckReport, metric: MetricSummary) -> str:
    """`4.21 s → 4.71 s`."""
    info = info_of(report, metric.name)
    unit = info.unit if info else "count"
    base, candidate = value_text(metric.base_median, unit), value_text(metric.candidate_median, unit)
    return f"{base} → {candidate}" if base and candidate else base or candidate


def is_gated(report: CheckReport, metric: MetricSummary) -> bool:
    """Whether it could fail the check."""
    info = info_of(report, metric.name)
    return metric.verdict != "reported" and (info is None or info.gated)


def gated(report: CheckReport) -> list[MetricSummary]:
    """The sampled metrics that decide, the worst first."""
    return _worst_first(metric for metric in report.metrics if is_gated(report, metric))


def not_gated(report: CheckReport) -> list[MetricSummary]:
    """The sampled metrics that are told and do not decide."""
    return [metric for metric in report.metrics if not is_gated(report, metric)]


def _worst_first(metrics: Iterable[MetricSummary]) -> list[MetricSummary]:
    return sorted(metrics, key=lambda one: (_SEVERITY.index(one.verdict), -(one.ratio or 0.0)))


def exact_changes(report: CheckReport) -> list[ExactChange]:
    """The exact metrics that differ or are missing, those that fail the check first."""
    different = [one for one in report.exact if one.verdict != "ok" or one.num_added or one.num_removed]
    return sorted(different, key=lambda one: (_SEVERITY.index(one.verdict), -one.num_added))


def breached(report: CheckReport) -> list[Budget]:
    """Budgets that were not kept, or of which nothing is known."""
    return [budget for budget in report.budgets if not budget.kept]


def verdict_line(report: CheckReport) -> str:
    """`REGRESSED: 1 regressed, 3 ok of 4 gated metrics`; why there are no counts where nothing was judged."""
    judged = report.verdict not in ("failed", "not_comparable") or gated(report)
    told = counts_line(report) if judged else plain(report.headline)
    return f"{VERDICT_WORDS[report.verdict]}: {told}"


def counts_line(report: CheckReport) -> str:
    """`1 regressed, 2 inconclusive, 17 ok of 20 gated metrics; 1 exact difference; 1 of 2 budgets breached`."""
    of_metrics = [metric.verdict for metric in gated(report)]
    counts = [f"{of_metrics.count(one)} {one}" for one in _SEVERITY if one in of_metrics]
    told = [f"{', '.join(counts)} of {_plural(len(of_metrics), 'gated metric')}"] if of_metrics else []
    if report.exact:
        told.append(f"{_plural(len(exact_changes(report)), 'difference')} in {len(report.exact)} exact metrics")
    if report.budgets:
        num_breached = sum(budget.kept is False for budget in report.budgets)
        told.append(f"{num_breached} of {_plural(len(report.budgets), 'budget')} breached")
    return "; ".join(told) or "nothing was judged"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def replicate(report: CheckReport) -> str:
    """What the n of a metric counts."""
    return "session" if report.design.mode == "baseline" else "pair"


def metric_sentence(report: CheckReport, metric: MetricSummary) -> str:
    """`time_to_first_step +11.8 % [+8.9, +14.6] (24 pairs, p_fw 0.0004, sees 6.0 %): 4.21 s → 4.71 s`."""
    facts = [_plural(metric.n, replicate(report)) if metric.n else ""]
    facts.append(f"p_fw {p_text(metric)}" if p_text(metric) else "")
    facts.append(f"sees {mde_text(metric)} and more" if metric.mde is not None else "")
    told = ", ".join(fact for fact in facts if fact)
    words = [metric_name(metric.name), worse_by(metric), interval_text(metric), f"({told})" if told else ""]
    sentence = " ".join(word for word in words if word)
    medians = medians_text(report, metric)
    sentence += f": {medians}" if medians else ""
    return f"{sentence}; {plain(metric.reason)}" if metric.reason else sentence


def exact_sentence(change: ExactChange) -> str:
    """`+412 modules: pandas, …, first imported at ocr/data.py:3 (2104 → 2516); −2: json, re`."""
    words = plain(told_of(change))
    if change.num_added or change.num_removed:
        words += f" ({_count(change.base)} → {_count(change.candidate)})"
    if change.added and change.removed:
        names = [group.name for group in groups(change, change.removed)]
        shown = ", ".join(names[:_NUM_NAMES]) + (", …" if len(names) > _NUM_NAMES else "")
        words += f"; −{change.num_removed}: {shown}"
    reason = plain(change.reason) if change.reason else ""
    return words if not reason or reason in words else f"{words}; {reason}"


def _count(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.10g}"


def groups(change: ExactChange, items: Sequence[ExactItem]) -> list[AddedGroup]:
    """Modules by their package, the largest first; other members as they are, in the order they came."""
    by_package = is_of_imports(change)
    named = packages_of(items) if by_package else {item.name: [item] for item in items}
    return [
        AddedGroup(
            name=plain(name),
            count=len(members),
            location=next((one.location for one in members if one.location), None),
            seconds=sum(one.seconds or 0.0 for one in members) if any(one.seconds for one in members) else None,
            detail=plain(members[0].detail) if len(members) == 1 and members[0].detail else None,
        )
        for name, members in named.items()
    ]


def is_of_imports(change: ExactChange) -> bool:
    """Whether its members are modules or packages."""
    return any(word in change.name for word in ("module", "package", "import"))


def group_text(group: AddedGroup, *, cwd: str) -> str:
    """`pandas: 310, 412 ms, first at ocr/data.py:3`."""
    words = group.name if group.count == 1 else f"{group.name}: {group.count}"
    if group.detail is not None:
        words += f", {group.detail}"
    if group.seconds is not None:
        words += f", {format_seconds(group.seconds)}"
    where = place(group.location, cwd=cwd)
    return f"{words}, first at {where}" if where else words


def budget_sentence(budget: Budget) -> str:
    """`BREACHED: time_to_first_step<20s (21.3 s of 20.0 s)`."""
    kept = {True: "kept", False: "BREACHED", None: "not known"}[budget.kept]
    words = f"{kept}: {plain(budget.text)}"
    return f"{words} ({plain(budget.reason)})" if budget.reason else words


def place_of_budget(report: CheckReport, budget: Budget) -> Location | None:
    """Where the candidate first imports the module that a limit names, if only the candidate does."""
    named = set(budget.text.split())
    items = (item for change in report.exact if is_of_imports(change) for item in change.added)
    return next((item.location for item in items if item.name in named), None)


def place_of_change(change: ExactChange) -> Location | None:
    """Where the first of what came is asked for."""
    return next((item.location for item in change.added if item.location), None)


def mismatch_sentence(field: FingerprintField) -> str:
    """`cpu: AMD EPYC 7763 → Intel Xeon (makes times incomparable)`."""
    return f"{plain(field.name)}: {plain(field.base)} → {plain(field.candidate)} ({_TIERS[field.tier]})"


def sides_line(report: CheckReport) -> str:
    """Which two states were compared."""
    return f"base {_side(report.base)} · candidate {_side(report.candidate)}"


def _side(state: GitState) -> str:
    words = plain(state.ref or "") or "work tree"
    if state.sha:
        words += f" {state.sha[:10]}"
    if state.dirty:
        words += " with uncommitted changes"
    return f"{words} “{keep_head(plain(state.subject), 50)}”" if state.subject else words


def design_line(report: CheckReport) -> str:
    """How it was measured and judged."""
    design = report.design
    num_pairs = len({launch.pair for launch in report.launches if launch.pair > 0})
    told = [_MODES[design.mode]]
    if design.mode in ("against", "aa"):
        told.append(f"{num_pairs} of at most {design.num_pairs_max} pairs, seed {design.seed}")
    if design.attempt > 1:
        earlier = sum(one.num_pairs for one in design.attempts)
        pooled = f", with {earlier} pairs of {_plural(len(design.attempts), 'earlier one')}" if earlier else ""
        told.append(f"attempt {design.attempt}{pooled}")
    told += conditions(design)
    if report.metrics:
        effects = f"{share_text(design.min_effect)} on{other_effects(report)}"
        told.append(f"family-wise error at most {design.alpha * 100:g} %, fails from {effects}")
    if design.stopped_because:
        told.append(plain(design.stopped_because))
    if report.seconds:
        told.append(f"took {format_seconds(report.seconds)}")
    return " · ".join(told)


def other_effects(report: CheckReport) -> str:
    """` (peak_rss +3.0 %)`: of the metrics that decide those whose least effect is not the general one."""
    others = [one for one in report.metric_infos if one.gated and one.min_effect != report.design.min_effect]
    told = ", ".join(f"{metric_name(one.name)} {share_text(one.min_effect)}" for one in others)
    return f" ({told})" if told else ""


def conditions(design: CheckDesign) -> list[str]:
    """How the launches were timed where that is out of the ordinary: cold, or two at once."""
    told = []
    if design.cold and design.evicted_bytes is None:
        told.append("cold, and no launch was timed")
    elif design.cold:
        size = f"{format_bytes(design.evicted_bytes or 0)} in {design.evicted_files} files"
        told.append(f"cold: {size} left the page cache before each launch")
    if design.duet == "parallel":
        sets = " and ".join(_cpu_ranges(cpus) for cpus in design.cpu_sets)
        told.append(f"parallel duet: both launches of a pair at once, on CPUs {sets}, swapped by the order")
    return told


def _cpu_ranges(cpus: Sequence[int]) -> str:
    """`0-3,8` of 0, 1, 2, 3, 8."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def bad_launches(report: CheckReport) -> list[Launch]:
    """Launches that did not come to their milestone."""
    return [launch for launch in report.launches if launch.status != "reached"]


def launch_sentence(launch: Launch) -> str:
    """`candidate, pair 3: crashed (exit 1) after 2.31 s`."""
    which = f"pair {launch.pair}" if launch.pair else "warm-up"
    code = f" (exit {launch.exit_code})" if launch.exit_code is not None else ""
    ended = launch.status.replace("_", " ")
    return f"{launch.arm}, {which}: {ended}{code} after {format_seconds(launch.wall_seconds)}"


def last_line(report: CheckReport) -> str:
    """The one line to remember: `REGRESSED time_to_first_step +11.8 % [8.9, 14.6] …; +412 modules: pandas, …`."""
    return f"{VERDICT_WORDS[report.verdict]} {plain(report.headline)}"
