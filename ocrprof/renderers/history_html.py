"""A history as an HTML page: where it changed, then every metric over its sessions."""

from ocrprof.renderers import figures_history as facts
from ocrprof.renderers.charts import Bar, legend
from ocrprof.renderers.charts_history import ChangeMark, Level, SessionDot, sessions_chart
from ocrprof.renderers.figures_check import metric_name
from ocrprof.renderers.html_page import document, header
from ocrprof.renderers.html_page import facts as fact_list
from ocrprof.renderers.markup import Html, code, contents, join, more, paragraph, section, table, tag
from ocrprof.results.compare_words import value_text
from ocrprof.results.history import NOT_MEASURED
from ocrprof.results.model import ChangePoint, HistoryReport, Series, SessionRef

_COLORS = {"regression": "red", "improvement": "green", "change": "violet"}
_LEVEL_COLORS = {"frozen": "violet", "rolling": "teal"}
_MIB = 2.0**20


def history_html(report: HistoryReport) -> str:
    """The page."""
    body = [
        _changes(report),
        _references(report),
        _charts(report),
        section(
            "How it was made",
            paragraph(facts.how_line(report)),
            *(paragraph(note, class_="note") for note in report.notes),
            fact_list(
                [
                    ("machine and workload", facts.machine_line(report)),
                    *((name, str(value)) for name, value in sorted(report.refuse.items())),
                ]
            ),
            anchor="made",
        ),
    ]
    top = [header(report, facts.sessions_line(report)), paragraph(facts.last_line(report), class_="verdict")]
    return document(report, [*top, contents(body), *body])


def _changes(report: HistoryReport) -> Html | None:
    groups = facts.change_groups(report)
    if not groups:
        return None
    parts: list[Html] = []
    for group in groups:
        rows = [
            [tag("span", word, class_="badge", style=f"--k:var(--{_COLORS[change.kind]})"), *rest, code(name)]
            for (_, change), (word, *rest, name) in (
                ((series, change), facts.change_cells(series, change)) for series, change in group.changes
            )
        ]
        parts += [
            tag("h3", facts.group_text(group, report)),
            table(("", "worse by", "before → after", "p", "metric"), rows, align="lrrrl", class_="compact"),
            paragraph(facts.commits_line(group, report), class_="note"),
        ]
        if group.tightest.commits:
            parts.append(tag("ul", *(tag("li", commit) for commit in group.tightest.commits)))
        if group.tightest.also:
            parts.append(paragraph(f"Changed too: {'; '.join(group.tightest.also)}"))
        metric = facts.hint_metric(group)
        if metric is not None:
            parts.append(paragraph("Find it: ", tag("code", f"ocrprof history bisect-hint {metric}")))
    return section("Where it changed, the newest first", *parts, anchor="changes")


def _references(report: HistoryReport) -> Html | None:
    series, _ = facts.told_series(report)
    if not series:
        return None
    rows = [[code(metric_name(one.info.name)), *facts.reference_cells(one)] for one in series]
    return section(
        "The newest session against two references",
        table(("metric", "newest", "rolling", "frozen", "noise"), rows, align="lrrrr", class_="compact"),
        paragraph(facts.references_line(series), class_="note"),
        anchor="references",
    )


def _charts(report: HistoryReport) -> Html | None:
    told, _ = facts.told_series(report)
    others = [one for one in report.series if one not in told and one.newest is not None]
    if not told and not others:
        return None
    key = [Bar(0.0, 1.0, "blue", "a session", ""), Bar(0.0, 1.0, "teal", "rolling", ""),
           Bar(0.0, 1.0, "violet", "frozen", "")]  # fmt: skip
    note = (
        "Hollow: a session that failed, was interrupted, or is of no commit. Grey: where a change lies with 95 % "
        "certainty. Axes do not begin at zero."
    )
    parts = [paragraph(note, class_="note"), legend(key), *(_chart(one, report) for one in told)]
    if others:
        parts.append(more(f"{len(others)} more metrics", *(_chart(one, report) for one in others)))
    return section("Every metric over its sessions", *parts, anchor="metrics")


def _chart(series: Series, report: HistoryReport) -> Html:
    unit, sessions = series.info.unit, report.sessions
    dots = [
        SessionDot(
            place, value, _hint(session, value_text(value, unit)), bool(NOT_MEASURED.intersection(session.flags))
        )
        for place, (session, value) in enumerate(zip(sessions, series.values, strict=True))
        if value is not None
    ]
    levels = [
        Level(one.value, _LEVEL_COLORS[one.name], f"{one.name}, {one.label}: {value_text(one.value, unit)}")
        for one in series.references
    ]
    picture = sessions_chart(
        dots,
        num_places=len(sessions),
        ends=(facts.session_text(sessions[0]), facts.session_text(sessions[-1])),
        levels=levels,
        changes=[_mark(series, change, report) for change in series.changes],
        value_text=lambda value: value_text(value, unit),
        unit=_MIB if unit == "bytes" else 1.0,
        label=f"{series.info.name} over {len(sessions)} sessions",
    )
    return join(tag("h3", code(metric_name(series.info.name))), picture)


def _mark(series: Series, change: ChangePoint, report: HistoryReport) -> ChangeMark:
    word, share, values, p, _ = facts.change_cells(series, change)
    return ChangeMark(
        last_before=change.last_before,
        first_after=change.first_after,
        surely=(change.surely_before, change.surely_after),
        text=share or values,
        color=_COLORS[change.kind],
        hint=f"{word} {values} ({p}) at {facts.session_text(report.sessions[change.first_after])}",
    )


def _hint(session: SessionRef, value: str) -> str:
    flags = f" · {', '.join(session.flags)}" if session.flags else ""
    return f"{facts.session_text(session)}: {value}, {session.num_launches} launches{flags}"
