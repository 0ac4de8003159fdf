"""The parts of an HTML page that tell of a start: its headline, its phases and runs, and the order of all others."""

from ocrprof.renderers import (
    action_plan,
    calls,
    figures,
    figures_startup,
    hot_lines,
    html_access,
    html_built,
    html_chains,
    html_checks,
    html_hydra,
    html_imports,
    html_instantiate,
    html_processes,
    html_savings,
)
from ocrprof.renderers.charts import Bar, Point, StripRow, legend, stack, strip
from ocrprof.renderers.figures_phases import phase_notes
from ocrprof.renderers.html_parts import bar_cell, phase_color, swatch, tick_text
from ocrprof.renderers.markup import Html, more, paragraph, section, table, tag
from ocrprof.results.model import Run, StartupReport, Statistic
from ocrprof.units import format_percent, format_seconds


def headline(report: StartupReport) -> list[Html]:
    """The one figure of a start, and the bar of what it is made of."""
    total = figures_startup.total_time(report)
    if total is None:
        return [paragraph(figures_startup.startup_line(report), class_="hero")]
    reached = figures_startup.time_to_milestone(report)
    what = f"to {figures_startup.name_of_milestone(report)}" if reached else "until the last run ended"
    runs = figures_startup.run_count(report)
    facts = [f"median of {runs}" if total.n > 1 else runs]
    if total.ci95:
        facts.append(f"95 % interval {format_seconds(total.ci95[0])} to {format_seconds(total.ci95[1])}")
    hero = paragraph(
        tag("b", format_seconds(total.median)), f" {what} ", tag("small", " · ".join(facts)), class_="hero"
    )
    bars = _phase_bars(report)
    return [hero, stack(bars, label=figures_startup.startup_line(report)), legend(bars)]


def sections(report: StartupReport) -> list[Html | None]:
    """The sections behind the findings, in the order in which they prove them."""
    return [
        action_plan.html_section(report),
        html_processes.html_section(report),
        _phases(report),
        html_imports.html_section(report),
        html_chains.html_section(report),
        html_savings.html_section(report),
        html_hydra.html_section(report),
        html_instantiate.html_section(report),
        html_built.html_section(report),
        calls.html_section(report),
        hot_lines.html_section(report),
        html_access.html_section(report),
        html_checks.html_section(report),
    ]


def _phase_bars(report: StartupReport) -> list[Bar]:
    return [
        Bar(
            start=0,
            length=row.share,
            color=phase_color(row.name),
            name=figures.phase_name(row.name),
            hint=f"{figures.phase_name(row.name)}: {format_seconds(row.seconds.median)}, {format_percent(row.share)}",
            figure=format_seconds(row.seconds.median),
        )
        for row in figures_startup.phase_rows(report)
    ]


def _phases(report: StartupReport) -> Html | None:
    rows, total = figures_startup.phase_rows(report), figures_startup.total_time(report)
    if not rows or total is None:
        return None
    scale = figures.column_scale(total.median)
    largest = max(row.share for row in rows)
    told = phase_notes(report, scale=scale)
    of_that = f"of that, {scale.unit}" if any(told.values()) else ""
    cells = [
        [
            swatch(figures.phase_name(row.name), phase_color(row.name)),
            scale.text(row.seconds.median),
            *([_interval(row.seconds, scale)] if total.ci95 else []),
            format_percent(row.share),
            bar_cell(row.share / largest, phase_color(row.name)),
            tag("small", told.get(row.name, "")),
        ]
        for row in rows
    ]
    interval = [_interval(total, scale)] if total.ci95 else []
    cells.append([tag("b", "total"), tag("b", scale.text(total.median)), *interval, "", "", ""])
    median = f"median {scale.unit}" if total.n > 1 else scale.unit
    notes = [*figures_startup.run_notes(report), *filter(None, [figures_startup.phase_sum_note(report)])]
    return section(
        "Where the time goes",
        table(
            ["phase", median, *(["95 % interval"] if interval else []), "share", "", of_that],
            cells,
            align="lrrrll" if interval else "lrrll",
        ),
        paragraph(" · ".join(notes), class_="note"),
        _runs(report),
        anchor="phases",
    )


def _interval(seconds: Statistic, scale: figures.Scale) -> str:
    return f"{scale.text(seconds.ci95[0])} to {scale.text(seconds.ci95[1])}" if seconds.ci95 else ""


def _runs(report: StartupReport) -> Html | None:
    """Every run as a dot, where there are several."""
    total = figures_startup.time_to_milestone(report)
    if total is None or len(report.runs) < 2:
        return None
    points = [_run_point(number, run) for number, run in enumerate(report.runs, start=1)]
    limit = 1.06 * max(run.wall_seconds for run in report.runs)
    row = StripRow("runs", points, [(f"median {format_seconds(total.median)}", total.median)])
    return more("Every run", strip([row], limit=limit, tick_text=tick_text(limit)))


def _run_point(number: int, run: Run) -> Point:
    counted = run.reached and not run.warmup
    kind = "" if counted else " (warm-up)" if run.warmup else f" ({run.status.replace('_', ' ')})"
    seconds = format_seconds(run.wall_seconds)
    return Point(run.wall_seconds, seconds, f"run {number}{kind}: {seconds}", hollow=not counted)
