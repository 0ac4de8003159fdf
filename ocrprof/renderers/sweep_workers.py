"""A sweep of worker counts on a terminal: the recommendation first, then the table that proves it."""

from typing import TextIO

from ocrprof.renderers import figures, figures_sweep, tables_sweep
from ocrprof.renderers.console_findings import findings
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import SweepPoint, SweepReport
from ocrprof.units import format_bytes, format_percent, format_seconds

_ARROW = "→"


def render_sweep(report: SweepReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes recommendation, settings, failures and findings in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines: list[Line] = [
        *paragraph(f"ocrprof sweep-workers · {figures.command(report.target)}", width=width, style="title"),
        ("", ""),
        *paragraph(figures_sweep.headline(report), width=width, style="heading"),
    ]
    for text in figures_sweep.recommendation_lines(report):
        lines += paragraph(text, width=width, indent="  ")
    lines += section("Settings", _settings(report, width=width))
    lines += section("Failed", _failed(report, width=width))
    lines += section("Simulated, not run (samples/s, waits)", _what_if(report, width=width))
    for table in tables_sweep.tables(report):
        if table.anchor in ("stages", "ranks", "nodes"):
            lines += section(table.heading, _wide(table.titles, table.rows, width=width))
    if report.findings:
        lines += findings(report.findings, cwd=report.target.cwd, width=width)
    lines.append(("", ""))
    for note in _small_print(report):
        lines += paragraph(note, width=width, style="dim")
    write_lines(lines, stream=stream, color=color)


def _small_print(report: SweepReport) -> list[str]:
    control = figures_sweep.control_text(report)
    told = [figures_sweep.what_was_run(report), figures_sweep.loader_text(report)]
    told += [f"A/A control: {control}"] if control else []
    return [text for text in (*told, *figures_sweep.notes(report), figures_sweep.environment_text(report)) if text]


def _settings(report: SweepReport, *, width: int) -> list[Line]:
    """What decides, in 80 columns, without empty columns; where other factors need the room, without the cost."""
    points = figures_sweep.measured(report)
    if not points:
        return []
    chosen = figures_sweep.chosen_point(report)
    columns = [
        ("", [_ARROW if point is chosen else "" for point in points], "<"),
        ("workers", [str(point.num_workers) for point in points], ">"),
        ("samples/s [95 %]", [figures_sweep.rate_text(point) for point in points], "<"),
        ("of best", [_ratio(point.relative_to_best) for point in points], ">"),
        ("waits", ["" if one.wait_fraction is None else format_percent(one.wait_fraction) for one in points], ">"),
        ("1st batch", [_first_batch(point) for point in points], ">"),
        ("cores", ["" if one.cpu_percent is None else f"{one.cpu_percent / 100:.2f}" for one in points], ">"),
        ("memory", ["" if one.pss_peak_bytes is None else format_bytes(one.pss_peak_bytes) for one in points], ">"),
        ("", [" ".join(_short_factors(point)) for point in points], "<"),
    ]
    crowded = any(_short_factors(point) for point in points)
    left_out = ("cores", "memory") if crowded else ()
    kept = [column for column in columns if any(column[1]) and column[0] not in left_out]
    rows = [[title for title, _, _ in kept], *(list(row) for row in zip(*(cells for _, cells, _ in kept), strict=True))]
    return table_lines(rows, align="".join(side for _, _, side in kept), width=width)


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _first_batch(point: SweepPoint) -> str:
    first = point.time_to_first_batch_seconds
    return format_seconds(first.median) if first else ""


def _short_factors(point: SweepPoint) -> list[str]:
    """`prefetch=2 pin=on`, for the narrow table."""
    return [
        one.replace("_factor", "").replace("_workers", "").replace("_memory", "").replace("start method=", "")
        for one in figures_sweep.factors(point.setting)
    ]


def _failed(report: SweepReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for name, what, details in figures_sweep.failures(report):
        lines += paragraph(f"{name}: {what}", width=width, first="  ", indent="    ", style="bad")
        for detail in details:
            lines += paragraph(detail, width=width, indent="    ")
    return lines


def _what_if(report: SweepReport, *, width: int) -> list[Line]:
    rows = [tables_sweep.what_if_row(one) for one in report.what_if]
    return table_lines([("setting", "samples/s", "waits"), *rows], align="<>>", width=width) if rows else []


def _wide(titles: tuple[str, ...], rows: list[list[str]], *, width: int) -> list[Line]:
    """A table, or a line a setting where it is wider than the terminal."""
    whole = [titles, *rows]
    cells = sum(max(len(row[column]) for row in whole) for column in range(len(titles))) + 2 * len(titles)
    if cells <= width:
        return table_lines(whole, align="<" + ">" * (len(titles) - 1), width=width)
    lines: list[Line] = []
    for row in rows:
        told = " · ".join(f"{title} {cell}" for title, cell in zip(titles[1:], row[1:], strict=True) if cell)
        lines += paragraph(f"{row[0]}: {told}", width=width, first="  ", indent="    ")
    return lines
