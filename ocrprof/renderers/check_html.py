"""The result of a check as an HTML page: verdict, differences, every pair in time order, intervals, power."""

import math
from collections.abc import Sequence

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.charts import Bar, legend
from ocrprof.renderers.charts_check import (
    IntervalRow,
    PairPoint,
    axis_for,
    interval_rows,
    pair_strip,
    power_curves,
    row_label,
)
from ocrprof.renderers.check_advice import next_steps
from ocrprof.renderers.check_explained import explanation_sections
from ocrprof.renderers.html_page import document, environment, header, output
from ocrprof.renderers.markup import Html, code, contents, join, paragraph, prose, section, table, tag
from ocrprof.renderers.places import place
from ocrprof.results.check_design import effect_bounds
from ocrprof.results.check_dropped import counted_launches
from ocrprof.results.check_pairs import LaunchPair, pair_launches, paired_metric
from ocrprof.results.compare_words import value_text
from ocrprof.results.model import CheckReport, ExactChange, MetricInfo, MetricSummary
from ocrprof.results.student_t import t_test_power
from ocrprof.units import format_seconds

_COLORS = {
    "regressed": "red",
    "missing": "red",
    "inconclusive": "orange",
    "improved": "green",
    "ok": "blue",
    "changed": "violet",
    "reported": "slate",
}
_CURVE_COLORS = ("blue", "orange", "teal", "violet", "olive")
_NUM_STRIPS, _NUM_CURVES, _NUM_MEMBERS = 24, 5, 200
_MIN_TO_LEAVE_OUT = 6
_MAX_SLOWDOWN, _NUM_STEPS = 0.20, 41


def check_html(report: CheckReport) -> str:
    """The page; what was not measured leaves no section."""
    top = [
        header(report, facts.sides_line(report)),
        paragraph(facts.verdict_line(report), class_="verdict"),
        paragraph(report.headline) if report.headline not in facts.verdict_line(report) else None,
        _failures(report),
    ]
    body = [
        _next_steps(report),
        _exact(report),
        _budgets(report),
        _metrics(report),
        _strips(report),
        _power(report),
        _told(report),
        *explanation_sections(report),
        _machines(report),
        _launches(report),
        environment(report),
        section(
            "How it was measured",
            paragraph(facts.design_line(report)),
            *(paragraph(note, class_="note") for note in report.notes),
            anchor="measured",
        ),
    ]
    return document(report, [*top, contents(body), *body])


def _failures(report: CheckReport) -> Html | None:
    bad = facts.bad_launches(report)
    if not bad:
        return None
    parts: list[Html] = []
    for launch in bad[:3]:
        parts += [paragraph(tag("b", facts.launch_sentence(launch))), *output(launch.stderr_tail, [])]
    return tag("section", *parts, class_="failure")


def _next_steps(report: CheckReport) -> Html | None:
    steps = next_steps(report)
    if not steps:
        return None
    return section("What to do next", tag("ul", *(tag("li", prose(step)) for step in steps)), anchor="next")


def _exact(report: CheckReport) -> Html | None:
    changes = facts.exact_changes(report)
    if not changes:
        return None
    parts = [part for change in changes for part in _change(change, cwd=report.target.cwd)]
    return section("What differs between the two, exactly", *parts, anchor="exact")


def _change(change: ExactChange, *, cwd: str) -> list[Html]:
    color = _COLORS[change.verdict]
    badge = tag("span", facts.VERDICT_WORDS[change.verdict], class_="badge", style=f"--k:var(--{color})")
    parts = [paragraph(badge, " ", facts.exact_sentence(change))]
    for sign, items, number in (("+", change.added, change.num_added), ("−", change.removed, change.num_removed)):
        if items:
            parts.append(_members(facts.groups(change, items)[:_NUM_MEMBERS], sign, cwd=cwd))
        if number > len(items) > 0:
            parts.append(paragraph(f"{number - len(items)} more were not kept.", class_="note"))
    return parts


def _members(found: Sequence[facts.AddedGroup], sign: str, *, cwd: str) -> Html:
    timed = any(group.seconds is not None for group in found)
    rows = [
        [
            code(group.name),
            f"{sign}{group.count}",
            *([format_seconds(group.seconds or 0.0)] if timed else []),
            code(place(group.location, cwd=cwd)),
        ]
        for group in found
    ]
    titles = ["name", "number", *(["own time"] if timed else []), "first at"]
    return table(titles, rows, align="l" + "r" * (len(titles) - 2) + "l", class_="compact")


def _budgets(report: CheckReport) -> Html | None:
    if not report.budgets:
        return None
    rows = [
        [{True: "kept", False: "BREACHED", None: "not known"}[one.kept], code(one.text), one.reason or ""]
        for one in report.budgets
    ]
    return section("Budgets", table(["", "limit", ""], rows, align="lll", class_="compact"), anchor="budgets")


def _limits(report: CheckReport) -> tuple[float, float]:
    return report.design.min_effect, report.design.target_effect


def _metrics(report: CheckReport) -> Html | None:
    metrics = facts.gated(report)
    if not metrics:
        return None
    shown = [one for one in metrics if one.ratio is not None and one.ci95 is not None]
    axis = axis_for([bound - 1 for one in shown for bound in one.ci95 or ()], limits=_limits(report))
    intervals = [_interval_row(one) for one in shown]
    picture = interval_rows(intervals, axis=axis) if intervals else None
    minimum, target = (f"{share * 100:g} %" for share in _limits(report))
    test = "test against the sessions" if report.design.mode == "baseline" else "randomisation test"
    note = (
        f"The bar is the 95 % interval of the slowdown, the dot its estimate. A metric fails where it is {minimum} "
        f"slower or more{facts.other_effects(report)} and the {test} rejects; it is ok where the interval ends below "
        f"{target}."
    )
    return section(
        "Metrics that decide",
        picture,
        paragraph(note, class_="note"),
        _metric_table(report, metrics),
        anchor="metrics",
    )


def _interval_row(metric: MetricSummary) -> IntervalRow:
    low, high = (bound - 1 for bound in metric.ci95 or (0.0, 0.0))
    detail = f"{facts.worse_by(metric)} {facts.interval_text(metric)}"
    color = _COLORS[metric.verdict]
    return IntervalRow(facts.metric_name(metric.name), detail, (metric.ratio or 1) - 1, low, high, color)


def _metric_table(report: CheckReport, metrics: Sequence[MetricSummary]) -> Html:
    rows = [
        [
            tag("span", facts.VERDICT_WORDS[one.verdict], class_="swatch", style=f"--k:var(--{_COLORS[one.verdict]})"),
            join(code(facts.metric_name(one.name)), tag("small", one.reason) if one.reason else None),
            facts.worse_by(one),
            facts.interval_text(one),
            facts.medians_text(report, one),
            facts.p_text(one),
            facts.mde_text(one),
            str(one.n),
        ]
        for one in metrics
    ]
    titles = ["verdict", "metric", "worse by", "95 % interval", "base → candidate", "p", "sees from"]
    titles.append(f"{facts.replicate(report)}s")
    return table(titles, rows, align="llrrrrrr")


def _strips(report: CheckReport) -> Html | None:
    pairs = pair_launches(counted_launches(report.launches, max_steal=report.design.max_steal).launches)
    known = {info.name: info for info in report.metric_infos}
    shown = [one for one in facts.gated(report) if one.name in known][:_NUM_STRIPS]
    found = [(one, _points(pairs, known[one.name])) for one in shown]
    found = [(one, points) for one, points in found if points]
    if not found:
        return None
    body: list[Html] = []
    for metric, points in found:
        interval = (metric.ci95[0] - 1, metric.ci95[1] - 1) if metric.ci95 else None
        limits = (known[metric.name].min_effect, report.design.target_effect)
        axis = axis_for([*_ends([point.worse_by for point in points]), *(interval or ())], limits=limits)
        name = facts.metric_name(metric.name)
        label = row_label(name, f"{len(points)} pairs, {facts.worse_by(metric)} {facts.interval_text(metric)}")
        body += [label, pair_strip(points, axis=axis, interval=interval, label=f"{name}: every pair")]
    note = (
        "A dot is a pair, the first at the left, and higher is worse; the dashed lines are what fails and what has to "
        "be seen, the band is the interval of the estimate; a hollow dot lies past the edge. Drift and bursts of other "
        "load show as steps and outliers."
    )
    return section(
        "Every pair, in time order",
        tag("div", *body, class_="lanes strip"),
        paragraph(note, class_="note"),
        anchor="pairs",
    )


def _ends(shares: Sequence[float]) -> tuple[float, float]:
    """The range without its outermost twelfth: one launch that took long must not press all others into a line."""
    ordered = sorted(shares)
    left_out = max(len(ordered) // 12, 1) if len(ordered) >= _MIN_TO_LEAVE_OUT else 0
    return ordered[left_out], ordered[-1 - left_out]


def _points(pairs: Sequence[LaunchPair], info: MetricInfo) -> list[PairPoint]:
    measured = paired_metric(pairs, info)
    if measured.why_not is not None:
        return []
    return [
        PairPoint(
            math.expm1(slowdown),
            f"{value_text(base, info.unit)} → {value_text(candidate, info.unit)}: "
            f"{facts.share_text(math.expm1(slowdown))}",
        )
        for slowdown, base, candidate in zip(measured.slowdowns, measured.base, measured.candidate, strict=True)
    ]


def _power(report: CheckReport) -> Html | None:
    """Of the metrics that were seen least well, which is what limits the check; of pairs alone."""
    known = {info.name: info for info in report.metric_infos}
    metrics = [one for one in facts.gated(report) if one.sd_pair and one.n > 2 and one.name in known]
    shown = sorted(metrics, key=lambda one: -(one.sd_pair or 0.0))[:_NUM_CURVES]
    # A single session is held against stored ones: their number does not make its own deviation smaller.
    if not shown or report.design.mode == "baseline":
        return None
    slowdowns = [_MAX_SLOWDOWN * index / (_NUM_STEPS - 1) for index in range(_NUM_STEPS)]
    curves = [
        (
            facts.metric_name(metric.name),
            color,
            [_power_at(report, metric, known[metric.name], size, of=len(metrics)) for size in slowdowns],
        )
        for metric, color in zip(shown, _CURVE_COLORS, strict=False)
    ]
    spreads = {facts.metric_name(one.name): f"{(one.sd_pair or 0) * 100:.1f} %" for one in shown}
    names = legend([Bar(0, 1, color, name, name, figure=spreads[name]) for name, color, _ in curves])
    note = (
        "How often a check with this many pairs and this noise confirms a slowdown, by its true size: noncentral t at "
        f"{report.design.alpha * 100:g} % over {len(metrics)} metrics, so a little too low. With each metric the "
        "standard deviation of its pairs."
    )
    return section(
        "What this session could see",
        power_curves(curves, slowdowns=slowdowns),
        names,
        paragraph(note, class_="note"),
        anchor="power",
    )


def _power_at(report: CheckReport, metric: MetricSummary, info: MetricInfo, slowdown: float, *, of: int) -> float:
    min_effect, boundary = effect_bounds(info, report.design)
    gate = max(math.log1p(min_effect) - math.log1p(boundary), 0.0)
    effect = math.log1p(slowdown) - math.log1p(boundary)
    return t_test_power(effect, metric.sd_pair or 0.0, metric.n, alpha=report.design.alpha / of, gate=gate)


def _told(report: CheckReport) -> Html | None:
    metrics = facts.not_gated(report)
    return section("Told, not judged", _metric_table(report, metrics), anchor="told") if metrics else None


def _machines(report: CheckReport) -> Html | None:
    if not report.mismatches:
        return None
    rows = [[one.tier, code(one.name), one.base, one.candidate] for one in report.mismatches]
    return section(
        "What differs between the machines",
        table(["tier", "field", "base", "candidate"], rows, align="llll"),
        anchor="machines",
    )


def _launches(report: CheckReport) -> Html | None:
    if not report.launches:
        return None
    rows = [
        [
            str(one.number),
            (str(one.pair) if one.pair else "warm-up")
            + (f", attempt {one.attempt}" if one.attempt is not None else ""),
            one.arm,
            one.status.replace("_", " "),
            format_seconds(one.wall_seconds),
            one.started,
        ]
        for one in report.launches
    ]
    titles = ["launch", "pair", "arm", "ended", "wall time", "started"]
    told = table(titles, rows, align="rrllrl", class_="compact dense")
    summary = tag("summary", f"{len(rows)} launches")
    return section("Launches", tag("details", summary, told), anchor="launches")
