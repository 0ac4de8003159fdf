"""A comparison as an HTML page: a waterfall of causes, then every difference and every figure."""

from ocrprof.renderers import figures, figures_check
from ocrprof.renderers import figures_compare as facts
from ocrprof.renderers.charts_compare import Step, waterfall
from ocrprof.renderers.html_page import document, environment, header
from ocrprof.renderers.html_page import facts as fact_list
from ocrprof.renderers.markup import Html, Section, code, contents, join, more, paragraph, prose, section, table, tag
from ocrprof.renderers.places import chain_text, keep_head, place
from ocrprof.results.compare_words import signed_seconds
from ocrprof.results.model import Breakdown, Cause, ComparedFigure, ComparisonReport, ExactItem
from ocrprof.units import format_seconds

_NAME_CELLS, _NUM_OPEN_ROWS, _NUM_ITEMS = 44, 15, 1000


def comparison_html(report: ComparisonReport) -> str:
    """The page; what neither side has leaves no section."""
    top = [
        header(report, f"{report.of_kind}: {report.base.path} against {report.candidate.path}"),
        paragraph(facts.last_line(report), class_="verdict"),
    ]
    body: list[Html | None] = [
        _judged(report),
        *(_breakdown(one, number, report) for number, one in enumerate(report.breakdowns)),
        *_sets(report),
        *(_table(title, rows) for title, rows in report.tables.items()),
        *_changed(report),
        _mismatches(report),
        _sides(report),
        environment(report),
    ]
    if report.notes:
        body.append(section("Notes", tag("ul", *(tag("li", note) for note in report.notes)), anchor="notes"))
    return document(report, [*top, contents(body), *body])


def _breakdown(breakdown: Breakdown, number: int, report: ComparisonReport) -> Section:
    steps = [
        Step(
            cause.seconds,
            keep_head(facts.cause_text(cause), _NAME_CELLS),
            f"{facts.cause_text(cause)}: {signed_seconds(cause.seconds)} {facts.parts_text(cause)}".rstrip(),
            faint=bool(cause.inside_noise),
        )
        for cause in breakdown.causes
    ]
    picture = waterfall(steps, total=breakdown.difference_seconds, label=f"causes of {breakdown.name}")
    told = _cause_table(breakdown.causes, report) if steps else None
    note = (
        "Exclusive seconds: what is loaded or built inside something else counts there alone. Faint: inside the noise."
    )
    return section(
        f"Why {breakdown.name} differs",
        paragraph(facts.breakdown_line(breakdown)),
        picture if steps else None,
        paragraph(note, class_="note") if steps else None,
        told,
        anchor=f"why{number}",
    )


def _cause_table(causes: list[Cause], report: ComparisonReport) -> Html:
    """Without the columns that are empty."""
    rows = [_cause_row(cause, report) for cause in causes]
    titles = ["seconds", "cause", "phase", "", "where"]
    kept = [number for number in range(len(titles)) if any(row[number] != code("") and row[number] for row in rows)]
    shown = [[row[number] for number in kept] for row in rows]
    return table([titles[number] for number in kept], shown, align="".join("rllll"[number] for number in kept))


def _cause_row(cause: Cause, report: ComparisonReport) -> list[str]:
    parts = facts.parts_text(cause)
    chain = chain_text(cause.chain, cwd=report.target.cwd) if len(cause.chain) > 1 else ""
    small = " · ".join(text for text in (parts, chain, cause.detail if cause.kind == "rest" else "") if text)
    return [
        signed_seconds(cause.seconds),
        join(facts.cause_text(cause), tag("small", small) if small else None),
        figures.phase_name(cause.phase or ""),
        facts.noise_text(cause.inside_noise),
        code(place(cause.location, cwd=report.target.cwd)),
    ]


def _sets(report: ComparisonReport) -> list[Section]:
    found = []
    for heading, name, came in facts.set_names(report):
        items = (report.added if came else report.removed)[name]
        anchor = f"{name}-{'new' if came else 'gone'}".replace(" ", "-")
        found.append(section(f"{heading} ({len(items)})", _items(items, report), anchor=anchor))
    return found


def _items(items: list[ExactItem], report: ComparisonReport) -> Html:
    rows = [
        [
            code(item.name),
            format_seconds(item.seconds) if item.seconds is not None else "",
            item.detail or "",
            code(place(item.location, cwd=report.target.cwd)),
        ]
        for item in sorted(items, key=lambda item: -(item.seconds or 0.0))
    ]
    titles = ["name", "own time", "", "first at"]
    first = table(titles, rows[:_NUM_OPEN_ROWS], align="lrll")
    rest = rows[_NUM_OPEN_ROWS:_NUM_ITEMS]
    if not rest:
        return first
    left_out = f"; {len(rows) - _NUM_ITEMS} more in report.json" if len(rows) > _NUM_ITEMS else ""
    return join(first, more(f"{len(rest)} more{left_out}", table(titles, rest, align="lrll")))


def _table(title: str, rows: list[ComparedFigure]) -> Section | None:
    if not rows:
        return None
    cells = [facts.figure_cells(one) for one in rows]
    titles = ["", "base", "candidate", "change", ""]
    told = table(titles, cells[:_NUM_OPEN_ROWS], align="lrrrl")
    rest = cells[_NUM_OPEN_ROWS:]
    anchor = f"table-{title}".replace(" ", "-").replace(",", "")
    if rest:
        told = join(told, more(f"{len(rest)} more", table(titles, rest, align="lrrrl")))
    return section(facts.title_text(title), told, anchor=anchor)


def _changed(report: ComparisonReport) -> list[Section]:
    return [
        section(
            f"{facts.title_text(name)} that differs",
            table(
                ["key", "base", "candidate"],
                [[code(one.name), one.base or "not there", one.candidate or "not there"] for one in values],
                align="lll",
            ),
            anchor=f"changed-{name}",
        )
        for name, values in report.changed.items()
        if values
    ]


def _mismatches(report: ComparisonReport) -> Section | None:
    if not report.mismatches:
        return None
    rows = [[one.tier, code(one.name), one.base, one.candidate] for one in report.mismatches]
    return section("What else differs", table(["", "field", "base", "candidate"], rows, align="llll"), anchor="differs")


def _sides(report: ComparisonReport) -> Section:
    rows = [
        (name, f"{facts.side_text(side)} · {figures.command(side.target)} · ocrprof {side.tool.version}")
        for name, side in (("base", report.base), ("candidate", report.candidate))
    ]
    return section("The two reports", fact_list(rows), anchor="sides")


def _judged(report: ComparisonReport) -> Section | None:
    if report.verdict is None:
        return None
    rows = [
        [
            figures_check.VERDICT_WORDS[one.verdict],
            join(code(figures_check.metric_name(one.name)), tag("small", one.reason) if one.reason else None),
            figures_check.worse_by(one),
            figures_check.interval_text(one),
            figures_check.p_text(one),
        ]
        for one in report.judged
    ]
    titles = ["verdict", "figure", "worse by", "95 % interval", "p"]
    told = table(titles, rows, align="llrrr") if rows else None
    small = [text for text in (facts.why_not_judged(report), report.test) if text]
    return section("Judged", told, *(paragraph(prose(text), class_="note") for text in small), anchor="judged")
