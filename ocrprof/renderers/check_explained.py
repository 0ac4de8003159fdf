"""Explanations of verdicts drawn on the terminal, in Markdown and on the page, all from the same steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.check_steps import Step, pair_steps
from ocrprof.renderers.check_steps_stored import budget_steps, exact_steps, session_steps
from ocrprof.renderers.console_lines import keep_place, paragraph, section, table_lines
from ocrprof.renderers.markdown_text import prose as markdown_prose
from ocrprof.renderers.markdown_text import table_block, words
from ocrprof.renderers.markup import Html, prose, table, tag
from ocrprof.renderers.markup import paragraph as html_paragraph
from ocrprof.renderers.markup import section as html_section
from ocrprof.renderers.places import keep_tail_of_name, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.check_explanation import PairsFamily, explain_pairs, pairs_family
from ocrprof.results.check_names import known_names, matching
from ocrprof.results.check_session_explanation import explain_sessions
from ocrprof.results.check_told import explain_budgets, explain_exact
from ocrprof.results.model import CheckReport

_NUM_OPEN = 60
"""Rows of a table on the page up to which it is shown open."""

_MAX_CELLS = 44


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A metric with the steps to its verdict."""

    name: str
    steps: Sequence[Step]

    @property
    def heading(self) -> str:
        """What the section is called."""
        return f"How the verdict on {self.name} came about"


def explanations(report: CheckReport) -> list[Explained]:
    """Of every metric that the report was asked to explain."""
    names = matching(report.explained, known_names(report))
    family = pairs_family(report) if names and report.design.mode != "baseline" else None
    return [Explained(name=facts.metric_name(name), steps=_steps(report, name, family=family)) for name in names]


def _steps(report: CheckReport, name: str, *, family: PairsFamily | None) -> list[Step]:
    info = facts.info_of(report, name)
    steps: list[Step] = []
    if info is not None and report.design.mode == "baseline":
        steps += session_steps(report, explain_sessions(report, info))
    elif info is not None:
        steps += pair_steps(report, explain_pairs(report, info, family=family))
    exact = explain_exact(report, name)
    if exact is not None:
        steps += exact_steps(report, exact)
    return steps + budget_steps(explain_budgets(report, name), info)


def explanation_lines(report: CheckReport, *, width: int) -> list[Line]:
    """Of the terminal."""
    return [line for one in explanations(report) for line in section(one.heading, _lines(one.steps, width=width))]


def _lines(steps: Sequence[Step], *, width: int) -> list[Line]:
    lines: list[Line] = []
    for number, step in enumerate(steps, start=1):
        lines += [("", "")] if lines else []
        lines += paragraph(f"{number}. {step.heading}", width=width, first="  ", indent="     ", style="title")
        for sentence in step.sentences:
            lines += paragraph(sentence, width=width, first="  ", indent="    ")
        if step.rows:
            rows = [_narrowed(row) for row in step.rows]
            lines += table_lines([step.titles, *rows], align=step.align, width=width, shorten=keep_place)
    return lines


def _narrowed(row: Sequence[str]) -> list[str]:
    """All but the last cell short enough that this one has room."""
    return [*(keep_tail_of_name(cell, _MAX_CELLS) for cell in row[:-1]), row[-1]]


def explanation_markdown(report: CheckReport) -> list[str]:
    """Blocks of lines of the Markdown."""
    lines: list[str] = []
    for one in explanations(report):
        lines += ["", f"### {words(one.heading)}"] if lines else [f"### {words(one.heading)}"]
        for number, step in enumerate(one.steps, start=1):
            lines += ["", f"**{number}. {words(step.heading)}**", ""]
            lines += [f"- {markdown_prose(sentence)}" for sentence in step.sentences]
            if step.rows:
                rows = [[words(cell) for cell in row] for row in step.rows]
                lines += ["", *table_block([words(title) for title in step.titles], rows, align=_sides(step))]
    return lines


def explanation_sections(report: CheckReport) -> list[Html]:
    """Sections of the page."""
    return [
        html_section(one.heading, *_parts(one.steps), anchor=f"explain-{number}")
        for number, one in enumerate(explanations(report), start=1)
    ]


def _parts(steps: Sequence[Step]) -> list[Html]:
    parts: list[Html] = []
    for number, step in enumerate(steps, start=1):
        parts.append(tag("h3", f"{number}. {step.heading}"))
        parts += [html_paragraph(prose(plain(sentence))) for sentence in step.sentences]
        if step.rows:
            drawn = table(step.titles, step.rows, align=_sides(step), class_="compact")
            folded = len(step.rows) > _NUM_OPEN
            parts.append(tag("details", tag("summary", f"all {len(step.rows)}"), drawn) if folded else drawn)
    return parts


def _sides(step: Step) -> str:
    return step.align.replace("<", "l").replace(">", "r")
