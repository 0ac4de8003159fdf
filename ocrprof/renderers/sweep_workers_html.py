"""A sweep of worker counts as an HTML page: samples/s and waits over num_workers, then every table."""

from collections.abc import Callable, Sequence

from ocrprof.renderers import figures_sweep, tables_sweep
from ocrprof.renderers.charts_points import Mark, PointSeries, points_over
from ocrprof.renderers.html_findings import findings
from ocrprof.renderers.html_page import document, environment, header
from ocrprof.renderers.markup import Html, Section, contents, lines, more, paragraph, section, table, tag
from ocrprof.renderers.write_back import write_back_html
from ocrprof.results.model import LoaderSetting, SweepPoint, SweepReport
from ocrprof.units import format_percent

_COLORS = ("blue", "orange", "green", "violet", "teal", "pink", "brown", "slate")


def sweep_html(report: SweepReport) -> str:
    """The page."""
    told = figures_sweep.recommendation_lines(report)
    top = [
        header(report, figures_sweep.what_was_run(report)),
        paragraph(figures_sweep.headline(report), class_="verdict"),
        *(paragraph(text) for text in told),
    ]
    body: list[Html | None] = [_pictures(report)]
    made = {one.anchor: _table(one) for one in tables_sweep.tables(report)}
    body += [made.pop("settings", None), _failed(report)]
    if report.write_back is not None:
        body.append(write_back_html(report.write_back, cwd=report.target.cwd))
    body += findings(report.findings, cwd=report.target.cwd) if report.findings else []
    body += [*made.values(), _trials(report), environment(report), _how_measured(report)]
    return document(report, [*top, contents(body), *body])


def _table(one: tables_sweep.SweepTable) -> Section:
    return section(
        one.heading,
        table(one.titles, one.rows, align=one.align),
        paragraph(one.note, class_="note") if one.note else None,
        anchor=one.anchor,
    )


def _pictures(report: SweepReport) -> Section | None:
    """Two charts over num_workers; a line for each combination of the other factors."""
    points = figures_sweep.measured(report)
    if not points:
        return None
    values = sorted({point.num_workers for point in points})
    rate = _chart(
        points,
        values,
        value=lambda point: point.samples_per_sec,
        interval=lambda point: point.samples_per_sec_ci95,
        text=figures_sweep.number,
        label="samples/s over num_workers",
    )
    parts: list[Html | None] = [tag("h3", "samples/s"), rate]
    if any(point.wait_fraction is not None for point in points):
        wait = _chart(
            points,
            values,
            value=lambda point: point.wait_fraction,
            interval=_wait_interval,
            text=format_percent,
            label="share of a step that waits, over num_workers",
            guide=report.max_wait,
        )
        parts += [tag("h3", f"share of a step that waits (line: --max-wait {format_percent(report.max_wait)})"), wait]
    parts.append(paragraph("Over num_workers; bars are 95 % intervals, of the waits the upper bound.", class_="note"))
    return section("Samples/s and waits", *parts, anchor="charts")


def _wait_interval(point: SweepPoint) -> tuple[float, float] | None:
    if point.wait_fraction is None or point.wait_fraction_high is None:
        return None
    return point.wait_fraction, point.wait_fraction_high


def _chart(
    points: Sequence[SweepPoint],
    values: Sequence[int],
    *,
    value: Callable[[SweepPoint], float | None],
    interval: Callable[[SweepPoint], tuple[float, float] | None],
    text: Callable[[float], str],
    label: str,
    guide: float | None = None,
) -> Html:
    names = list(dict.fromkeys(_others(point.setting) for point in points))
    series = []
    for number, name in enumerate(names):
        marks = []
        for point in points:
            height = value(point)
            if _others(point.setting) == name and height is not None:
                bounds = interval(point)
                hint = f"{figures_sweep.setting_name(point.setting)}: {text(height)}"
                if bounds:
                    hint += f" [{text(bounds[0])}, {text(bounds[1])}]"
                marks.append(Mark(values.index(point.num_workers), height, bounds, hint))
        series.append(PointSeries(name, _COLORS[number % len(_COLORS)], marks))
    return points_over([str(one) for one in values], series, value_text=text, label=label, guide=guide)


def _others(setting: LoaderSetting) -> str:
    """The factors besides num_workers; one worker less has none of them to tell (0 workers prefetch nothing)."""
    return ", ".join(figures_sweep.factors(setting))


def _failed(report: SweepReport) -> Section | None:
    failures = figures_sweep.failures(report)
    if not failures:
        return None
    rows = [[name, what, tag("span", *(tag("div", one) for one in details))] for name, what, details in failures]
    shown = [
        more(f"{name}: last lines", tag("pre", lines(tail)))
        for name, tail in figures_sweep.failure_output(report).items()
    ]
    columns = ("setting", "what happened", "where and what to do")
    return section("Failed", table(columns, rows, align="lll"), *shown, anchor="failed")


def _trials(report: SweepReport) -> Section:
    rows = tables_sweep.trial_rows(report)
    whole = table(tables_sweep.TRIAL_TITLES, rows, align=tables_sweep.TRIAL_ALIGN, class_="dense")
    return section("Every trial", more(f"{len(rows)} trials, in the order in which they ran", whole), anchor="trials")


def _how_measured(report: SweepReport) -> Section:
    control = figures_sweep.control_text(report)
    told = [figures_sweep.loader_text(report), f"A/A control: {control}" if control else ""]
    items = [tag("li", text) for text in (*told, *figures_sweep.notes(report)) if text]
    return section("How it was measured", tag("ul", *items), anchor="measured")
