"""A comparison as Markdown: causes that add up, what came and went, every figure that changed."""

from ocrprof.renderers import figures, figures_check
from ocrprof.renderers import figures_compare as facts
from ocrprof.renderers.markdown_text import code, left_out, prose, table_block, where, words
from ocrprof.renderers.places import place
from ocrprof.results.compare_words import signed_seconds
from ocrprof.results.model import Breakdown, ComparedFigure, ComparisonReport, ExactItem
from ocrprof.units import format_seconds

_NUM_ITEMS, _NUM_FIGURES, _NUM_CHANGED = 20, 25, 50
_LEFT_OUT = ("modules",)


def comparison_markdown(report: ComparisonReport) -> str:
    """The whole comparison; ends with a newline."""
    blocks = [
        [f"## {words(facts.last_line(report))}"],
        [
            f"- base: `{code(facts.side_text(report.base))}`",
            f"- candidate: `{code(facts.side_text(report.candidate))}`",
        ],
        _judged(report),
        *(_breakdown(one, report) for one in report.breakdowns),
        *_sets(report),
        *(_table(title, rows) for title, rows in report.tables.items()),
        _changed(report),
        _bullets("### What else differs", [facts.mismatch_sentence(one) for one in report.mismatches]),
        _bullets("### Notes", list(report.notes)),
        [words(figures.environment_line(report.environment))],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _bullets(heading: str, sentences: list[str]) -> list[str]:
    return [heading, "", *(f"- {words(one)}" for one in sentences)] if sentences else []


def _breakdown(breakdown: Breakdown, report: ComparisonReport) -> list[str]:
    rows = []
    for cause in breakdown.causes:
        parts = facts.parts_text(cause)
        rows.append(
            [
                signed_seconds(cause.seconds),
                words(facts.cause_text(cause)) + (f" ({words(parts)})" if parts else ""),
                figures.phase_name(cause.phase or ""),
                facts.noise_text(cause.inside_noise),
                where(place(cause.location, cwd=report.target.cwd)),
            ]
        )
    rows.append([f"**{signed_seconds(breakdown.difference_seconds)}**", "**in all**", "", "", ""])
    table = table_block(["seconds", "cause", "phase", "", "where"], rows, align="rllll")
    return [f"### Why {words(breakdown.name)} differs", "", words(facts.breakdown_line(breakdown)), "", *table]


def _sets(report: ComparisonReport) -> list[list[str]]:
    blocks = []
    for heading, name, came in facts.set_names(report):
        items = (report.added if came else report.removed)[name]
        if name in _LEFT_OUT:
            blocks.append([f"{heading}: {len(items)}, each in report.json and report.html."])
        else:
            blocks.append([f"### {heading} ({len(items)})", "", *_items(items, report)])
    return blocks


def _items(items: list[ExactItem], report: ComparisonReport) -> list[str]:
    shown = sorted(items, key=lambda item: -(item.seconds or 0.0))[:_NUM_ITEMS]
    rows = [
        [
            f"`{code(item.name)}`",
            format_seconds(item.seconds) if item.seconds is not None else "",
            words(item.detail or ""),
            where(place(item.location, cwd=report.target.cwd)),
        ]
        for item in shown
    ]
    return [
        *table_block(["name", "own time", "", "first at"], rows, align="lrll"),
        *left_out(len(items) - len(shown), ""),
    ]


def _table(title: str, rows: list[ComparedFigure]) -> list[str]:
    shown = rows if title == "phases" else facts.most_changed(rows, most=_NUM_FIGURES)
    if not shown:
        return []
    cells = [[words(cell) for cell in facts.figure_cells(one)] for one in shown]
    table = table_block(["", "base", "candidate", "change", ""], cells, align="lrrrl")
    return [f"### {words(facts.title_text(title))}", "", *table, *left_out(len(rows) - len(shown), "figures")]


def _changed(report: ComparisonReport) -> list[str]:
    lines: list[str] = []
    for name, values in report.changed.items():
        if values:
            rows = [[f"`{code(one.name)}`", _value(one.base), _value(one.candidate)] for one in values[:_NUM_CHANGED]]
            lines += [
                "",
                f"### {facts.title_text(name)} that differs",
                "",
                *table_block(["key", "base", "candidate"], rows),
            ]
            lines += left_out(len(values) - _NUM_CHANGED, "keys")
    return lines[1:]


def _value(text: str | None) -> str:
    return "not there" if text is None else f"`{code(text)}`"


def _judged(report: ComparisonReport) -> list[str]:
    if report.verdict is None:
        return []
    rows = [
        [
            figures_check.VERDICT_WORDS[one.verdict],
            f"`{code(figures_check.metric_name(one.name))}`",
            figures_check.worse_by(one),
            figures_check.interval_text(one),
            figures_check.p_text(one),
            words(one.reason or ""),
        ]
        for one in report.judged
    ]
    table = table_block(["", "figure", "worse by", "95 % interval", "p", ""], rows, align="llrrrl") if rows else []
    told = [text for text in (facts.why_not_judged(report), report.test) if text]
    return ["### Judged", "", *table, *(["", prose(" ".join(told))] if told else [])]
