"""The action plan of a start as text: on a terminal, in Markdown, on a page."""

from collections.abc import Sequence

from ocrprof.renderers import figures_startup
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.markdown_text import left_out, table_block, where, words
from ocrprof.renderers.markup import Html, code, table
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_part
from ocrprof.renderers.places import keep_head, keep_tail, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Action, ActionPlan, StartupReport
from ocrprof.units import format_seconds

_NUM_ACTIONS = 12
_CHANGE_CELLS = 36


def console_lines(report: StartupReport, *, width: int) -> list[Line]:
    """The section of a terminal's summary; nothing where there is nothing to change."""
    plan = report.plan
    if plan is None or not (plan.actions or plan.moves):
        return []
    cwd = report.target.cwd
    lines: list[Line] = []
    if plan.actions:
        rows = [
            [one.priority, format_seconds(one.seconds), _after(one), _short(one), place(one.location, cwd=cwd)]
            for one in plan.actions[:_NUM_ACTIONS]
        ]
        lines += table_lines(
            [["", "wins", "then", "change", "where"], *rows], align="<>><<", width=width, shorten=keep_tail
        )
        if len(plan.actions) > _NUM_ACTIONS:
            lines.append((f"  {len(plan.actions) - _NUM_ACTIONS} more in the report", "dim"))
    for note in _notes(plan):
        lines += paragraph(note, width=width, indent="  ", style="dim")
    if plan.moves:
        lines += paragraph(_what_moves(report, plan), width=width, indent="  ")
        rows = [["", format_seconds(one.seconds), _short(one), place(one.location, cwd=cwd)] for one in plan.moves]
        lines += table_lines([["", "moves", "change", "where"], *rows], align="<><<", width=width, shorten=keep_tail)
    return section(_heading(report, plan), lines)


def markdown_lines(report: StartupReport, *, num_rows: int) -> list[str]:
    """One table of what wins time, and a sentence on what only moves it."""
    plan = report.plan
    if plan is None or not (plan.actions or plan.moves):
        return []
    cwd = report.target.cwd
    rows = [
        [
            one.priority,
            words(one.change) + (f" ({one.effort})" if one.effort else ""),
            where(place(one.location, cwd=cwd)),
            format_seconds(one.seconds),
            _after(one),
        ]
        for one in plan.actions[:num_rows]
    ]
    lines = []
    if rows:
        titles = ["", f"action plan: {_from_to(plan)}", "where", "wins", "then"]
        lines = table_block(titles, rows, align="lllrr") + left_out(len(plan.actions) - num_rows, "actions")
    notes = [words(note) for note in _notes(plan)]
    if plan.moves:
        places = ", ".join(where(place(one.location, cwd=cwd)) for one in plan.moves[:num_rows])
        notes.append(f"{words(_what_moves(report, plan))} {places}.")
    return [*lines, *(["", " ".join(notes)] if notes and lines else notes)]


def html_section(report: StartupReport) -> Html | None:
    """Both tables; None where there is nothing to change."""
    plan = report.plan
    if plan is None or not (plan.actions or plan.moves):
        return None
    cwd = report.target.cwd
    parts: list[Html | None] = []
    if plan.actions:
        rows = [
            [
                one.priority,
                one.change,
                code(place(one.location, cwd=cwd)) if one.location else "",
                one.effort or "",
                format_seconds(one.seconds),
                _after(one),
            ]
            for one in plan.actions
        ]
        parts.append(table(["", "change", "where", "to touch", "wins", "then"], rows, align="llllrr"))
    parts += [html_paragraph(note, class_="note") for note in _notes(plan)]
    if plan.moves:
        parts.append(html_paragraph(_what_moves(report, plan)))
        rows = [
            [one.change, code(place(one.location, cwd=cwd)) if one.location else "", format_seconds(one.seconds)]
            for one in plan.moves
        ]
        parts.append(table(["change", "where", "moves"], rows, align="llr"))
    return html_part(_heading(report, plan), *parts, anchor="action-plan")


def _heading(report: StartupReport, plan: ActionPlan) -> str:
    if not plan.actions:
        return "Action plan"
    return f"Action plan: {_from_to(plan)} to {figures_startup.name_of_milestone(report)}"


def _from_to(plan: ActionPlan) -> str:
    return f"{format_seconds(plan.now_seconds)} → {format_seconds(plan.then_seconds)}"


def _after(one: Action) -> str:
    return "" if one.seconds_after is None else format_seconds(one.seconds_after)


def _short(one: Action) -> str:
    return keep_head(plain(one.change), _CHANGE_CELLS)


def _notes(plan: ActionPlan) -> list[str]:
    """What was not counted twice."""
    shared = [
        f"{one.code} shares {format_seconds(one.shared_seconds)} with {_listed(one.shared_with)}"
        for one in plan.actions
        if one.shared_with
    ]
    covered = [f"all of {one.code} lies in {_listed(one.shared_with)}" for one in plan.covered]
    facts = shared + covered
    return [f"Nothing is won twice: {'; '.join(facts)}."] if facts else []


def _listed(codes: Sequence[str]) -> str:
    return " and ".join(codes)


def _what_moves(report: StartupReport, plan: ActionPlan) -> str:
    """What is gained by changes that win nothing before this milestone."""
    name = figures_startup.name_of_milestone(report)
    name = name if name.startswith(("the ", "an ")) else f"the {name}"
    if plan.configuration_now_seconds is None or plan.configuration_then_seconds is None:
        return f"These win nothing before {name}; errors in what follows, and runs that need none of it, come sooner:"
    now, then = format_seconds(plan.configuration_now_seconds), format_seconds(plan.configuration_then_seconds)
    return (
        f"These win nothing before {name}, but the configuration is read, and its errors are told, after {then}"
        f" instead of {now}:"
    )
