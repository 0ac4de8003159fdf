"""A comparison on the terminal: what changed, the causes that add up to it, then the figures side by side."""

from typing import TextIO

from ocrprof.renderers import figures_check
from ocrprof.renderers import figures_compare as facts
from ocrprof.renderers.console_lines import bar_text, keep_place, paragraph, section, table_lines
from ocrprof.renderers.places import keep_head, place, plain
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.compare_words import signed_seconds, value_text
from ocrprof.results.model import Breakdown, ComparisonReport, ExactItem
from ocrprof.units import format_seconds

_NUM_BREAKDOWNS, _NUM_FIGURES, _NUM_ITEMS, _NUM_CHANGED, _NUM_CAUSES, _NUM_DIFFER = 4, 6, 6, 8, 12, 10
_BAR, _CAUSE = 6, 36
_IN_FULL = ("phases",)
_LEFT_OUT = ("modules", "constructions", "packages, own time", "built", "metrics", "loads")
"""What the terminal tells of by their packages, their causes, or their sources; the pages have all of it."""


def render_comparison(report: ComparisonReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the comparison in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines: list[Line] = [
        (f"ocrprof compare · {report.of_kind}", "title"),
        *paragraph(facts.last_line(report), width=width, style="bad" if report.exit_code else "title"),
        *paragraph(f"base       {facts.side_text(report.base)}", width=width, indent=" " * 11, first="", style="dim"),
        *paragraph(
            f"candidate  {facts.side_text(report.candidate)}", width=width, indent=" " * 11, first="", style="dim"
        ),
        *_judged(report, width=width),
    ]
    for breakdown in report.breakdowns[:_NUM_BREAKDOWNS]:
        lines += section(f"Why {breakdown.name} differs", _causes(breakdown, report, width=width))
    if len(report.breakdowns) > _NUM_BREAKDOWNS:
        lines.append((f"{len(report.breakdowns) - _NUM_BREAKDOWNS} more in the report", "dim"))
    lines += _sets(report, width=width)
    lines += _tables(report, width=width)
    lines += section("Configuration that differs", _changed(report, width=width))
    lines += section("What else differs", _mismatches(report, width=width))
    lines += section("Notes", _bullets([plain(note) for note in report.notes], width=width))
    lines += [("", ""), *paragraph(facts.last_line(report), width=width, style="title")]
    write_lines(lines, stream=stream, color=color)


def _bullets(sentences: list[str], *, width: int) -> list[Line]:
    return [line for one in sentences for line in paragraph(one, width=width, first="  ", indent="    ")]


def _causes(breakdown: Breakdown, report: ComparisonReport, *, width: int) -> list[Line]:
    lines = paragraph(facts.breakdown_line(breakdown), width=width, indent="  ")
    if not breakdown.causes:
        return lines
    longest = max(abs(cause.seconds) for cause in breakdown.causes) or 1.0
    rows = [("seconds", "", "cause", "", "where")]
    for cause in breakdown.causes[:_NUM_CAUSES]:
        where = place(cause.location, cwd=report.target.cwd)
        bar = bar_text(abs(cause.seconds) / longest, cells=_BAR)
        noise = facts.noise_text(cause.inside_noise)
        rows.append((signed_seconds(cause.seconds), bar, keep_head(facts.cause_text(cause), _CAUSE), noise, where))
    left_out = breakdown.causes[_NUM_CAUSES:]
    if left_out:
        total = sum(cause.seconds for cause in left_out)
        rows.append((signed_seconds(total), "", f"{len(left_out)} more, in the report", "", ""))
    rows.append((signed_seconds(breakdown.difference_seconds), "", "in all", "", ""))
    return [*lines, *table_lines(rows, align="><<<<", width=width, shorten=keep_place)]


def _sets(report: ComparisonReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for heading, name, came in facts.set_names(report):
        items = (report.added if came else report.removed)[name]
        if name not in _LEFT_OUT:
            lines += section(f"{heading} ({len(items)})", _items(items, report, width=width))
    return lines


def _items(items: list[ExactItem], report: ComparisonReport, *, width: int) -> list[Line]:
    shown = sorted(items, key=lambda item: -(item.seconds or 0.0))[:_NUM_ITEMS]
    rows = [("own time", "", "name", "first at")]
    rows += [
        (
            format_seconds(item.seconds) if item.seconds is not None else "",
            plain(item.detail or ""),
            keep_head(plain(item.name), _CAUSE),
            place(item.location, cwd=report.target.cwd),
        )
        for item in shown
    ]
    lines = table_lines(rows, align="><<<", width=width, shorten=keep_place)
    if len(items) > len(shown):
        lines.append((f"  … {len(items) - len(shown)} more in the report", "dim"))
    return lines


def _tables(report: ComparisonReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for title, figures in report.tables.items():
        shown = figures if title in _IN_FULL else facts.most_changed(figures, most=_NUM_FIGURES)
        if not shown or title in _LEFT_OUT or title.endswith("each part"):
            continue
        rows = [("base", "now", "change", "", "")]
        rows += [
            (
                value_text(one.base, one.unit),
                value_text(one.candidate, one.unit),
                facts.change_text(one),
                facts.figure_noise(one),
                facts.figure_name(one),
            )
            for one in shown
        ]
        lines += section(facts.title_text(title), table_lines(rows, align=">>><<", width=width))
        if len(figures) > len(shown):
            lines.append((f"  {len(figures) - len(shown)} more, equal or less changed, in the report", "dim"))
    return lines


def _mismatches(report: ComparisonReport, *, width: int) -> list[Line]:
    told = [facts.mismatch_sentence(one) for one in report.mismatches]
    lines = _bullets(told[:_NUM_DIFFER], width=width)
    return [*lines, (f"  … {len(told) - _NUM_DIFFER} more in the report", "dim")] if told[_NUM_DIFFER:] else lines


def _changed(report: ComparisonReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for values in report.changed.values():
        told = [f"{one.name}: {_or_none(one.base)} → {_or_none(one.candidate)}" for one in values[:_NUM_CHANGED]]
        lines += _bullets([plain(text) for text in told], width=width)
        if len(values) > _NUM_CHANGED:
            lines.append((f"  … {len(values) - _NUM_CHANGED} more in the report", "dim"))
    return lines


def _or_none(text: str | None) -> str:
    return "not there" if text is None else text


def _judged(report: ComparisonReport, *, width: int) -> list[Line]:
    if report.verdict is None:
        return []
    rows = [
        (
            figures_check.VERDICT_WORDS[one.verdict],
            figures_check.worse_by(one),
            figures_check.interval_text(one),
            figures_check.p_text(one),
            figures_check.metric_name(one.name),
        )
        for one in report.judged
    ]
    lines = (
        table_lines([("verdict", "worse by", "95 %", "p", "figure"), *rows], align="<>>><", width=width) if rows else []
    )
    lines += _bullets(
        [f"{figures_check.metric_name(one.name)}: {one.reason}" for one in report.judged if one.reason], width=width
    )
    lines += _bullets([facts.why_not_judged(report)], width=width)
    if report.test:
        lines += paragraph(report.test, width=width, indent="  ", style="dim")
    return section("Judged", lines)
