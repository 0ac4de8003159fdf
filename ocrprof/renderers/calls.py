"""Repeated calls of the program's own functions as text: on a terminal, in Markdown, on a page."""

from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.markdown_text import code as markdown_code
from ocrprof.renderers.markdown_text import left_out, table_block, where
from ocrprof.renderers.markup import Html, code, table
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_part
from ocrprof.renderers.places import keep_tail, keep_tail_of_name, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import CallCounts, RepeatedCalls, StartupReport
from ocrprof.units import format_seconds

HEADING = "Called again with the same arguments"
_NUM_ROWS = 5
_NUM_CELLS_OF_NAME = 34


def console_lines(report: StartupReport, *, width: int) -> list[Line]:
    """The section of a terminal's summary; nothing on level light."""
    counts = report.calls
    if counts is None:
        return []
    lines: list[Line] = []
    if counts.repeated:
        rows = [["function", "calls", "repeated", "seconds", "defined"]]
        for one in counts.repeated[:_NUM_ROWS]:
            name = keep_tail_of_name(plain(one.function), _NUM_CELLS_OF_NAME)
            where_ = place(one.location, cwd=report.target.cwd)
            rows.append([name, str(one.num_calls), str(one.num_repeated), _seconds(one), where_])
        lines += table_lines(rows, align="<>>><", width=width, shorten=keep_tail)
        if len(counts.repeated) > _NUM_ROWS:
            lines.append((f"  {len(counts.repeated) - _NUM_ROWS} more in the report", "dim"))
    lines += paragraph(_how(counts), width=width, indent="  ", style="dim")
    return section(HEADING, lines)


def markdown_lines(report: StartupReport, *, num_rows: int) -> list[str]:
    """One table; nothing on level light, and where nothing was called again."""
    counts = report.calls
    if counts is None or not counts.repeated:
        return []
    rows = [
        [
            f"`{markdown_code(one.function)}`",
            str(one.num_calls),
            str(one.num_repeated),
            _seconds(one),
            where(place(one.location, cwd=report.target.cwd)),
        ]
        for one in counts.repeated[:num_rows]
    ]
    titles = ["called again with the same arguments", "calls", "repeated", "seconds", "defined"]
    return table_block(titles, rows, align="lrrrl") + left_out(len(counts.repeated) - num_rows, "functions")


def html_section(report: StartupReport) -> Html | None:
    """Every function with an example of its arguments; None on level light."""
    counts = report.calls
    if counts is None:
        return None
    cwd = report.target.cwd
    rows = [
        [
            code(one.function),
            code(one.example) if one.example else "",
            str(one.num_calls),
            str(one.num_repeated),
            _seconds(one),
            code(place(one.location, cwd=cwd)),
            code(", ".join(place(caller, cwd=cwd) for caller in one.callers)) if one.callers else "",
        ]
        for one in counts.repeated
    ]
    titles = ["function", "first called with", "calls", "repeated", "seconds", "defined", "called at"]
    parts: list[Html | None] = [html_paragraph(_how(counts), class_="note")]
    if rows:
        parts.append(table(titles, rows, align="llrrrll"))
    return html_part(HEADING, *parts, anchor="calls")


def _seconds(one: RepeatedCalls) -> str:
    return "not timed" if one.seconds is None else format_seconds(one.seconds)


def _how(counts: CallCounts) -> str:
    facts = [
        f"{counts.num_functions} functions of the program were counted in a run of their own, which that slowed down to"
        f" {format_seconds(counts.counted_seconds)}"
    ]
    if counts.timed_seconds is not None:
        facts.append(f"their seconds are of another one, of {format_seconds(counts.timed_seconds)}")
    if counts.stopped_by is not None:
        facts.append(f"which did not arrive: {counts.stopped_by.replace('_', ' ')}")
    elif not counts.repeated:
        facts.append("none was called again and again with the same plain arguments for long")
    return "; ".join([*facts, *counts.notes]) + "."
