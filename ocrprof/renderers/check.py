"""The result of a check on the terminal: the verdict first, then what proves it, last the one line to remember."""

from typing import TextIO

from ocrprof.renderers import figures
from ocrprof.renderers import figures_check as facts
from ocrprof.renderers.check_advice import next_steps
from ocrprof.renderers.check_explained import explanation_lines
from ocrprof.renderers.console_lines import paragraph, section, table_lines
from ocrprof.renderers.places import keep_head, plain
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import CheckReport, ExactChange

_TITLES = ("verdict", "worse by", "95 %", "p", "sees", "metric")
_ALIGN = "<>>>><"
_NUM_GROUPS, _NUM_NOT_GATED, _NUM_BAD_LAUNCHES, _NUM_STDERR_LINES = 5, 10, 2, 6


def render_check(report: CheckReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the result, complete or partial, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines: list[Line] = [
        *paragraph(f"ocrprof check · {figures.command(report.target)}", width=width, style="title"),
        *_verdict(report, width=width),
        *paragraph(facts.sides_line(report), width=width, style="dim"),
        *paragraph(facts.design_line(report), width=width, style="dim"),
        *section("What differs between the two, exactly", _exact(report, width=width)),
        *section("Budgets", _bullets([facts.budget_sentence(one) for one in report.budgets], width=width)),
        *section("Metrics that decide", _metrics(report, width=width)),
        *section("Told, not judged", _told(report, width=width)),
        *section(
            "What differs between the machines",
            _bullets([facts.mismatch_sentence(one) for one in report.mismatches], width=width),
        ),
        *section("Launches that failed", _bad_launches(report, width=width)),
        *section("Notes", _bullets([plain(note) for note in report.notes], width=width)),
        *section("What to do next", _bullets(next_steps(report), width=width)),
        *explanation_lines(report, width=width),
        ("", ""),
        *paragraph(facts.last_line(report), width=width, style="title"),
    ]
    write_lines(lines, stream=stream, color=color)


def _verdict(report: CheckReport, *, width: int) -> list[Line]:
    bad = report.verdict in ("regressed", "failed", "not_comparable")
    return paragraph(facts.verdict_line(report), width=width, style="bad" if bad else "title")


def _bullets(sentences: list[str], *, width: int) -> list[Line]:
    return [line for one in sentences for line in paragraph(one, width=width, first="  ", indent="    ")]


def _exact(report: CheckReport, *, width: int) -> list[Line]:
    lines: list[Line] = []
    for change in facts.exact_changes(report):
        word = facts.VERDICT_WORDS[change.verdict]
        style = "bad" if change.verdict in ("regressed", "missing") else ""
        lines += paragraph(
            f"{word}: {facts.exact_sentence(change)}", width=width, first="  ", indent="    ", style=style
        )
        lines += _groups(change, cwd=report.target.cwd, width=width)
    return lines


def _groups(change: ExactChange, *, cwd: str, width: int) -> list[Line]:
    found = facts.groups(change, change.added)
    lines: list[Line] = []
    for group in found[:_NUM_GROUPS]:
        lines += paragraph(f"+ {facts.group_text(group, cwd=cwd)}", width=width, first="    ", indent="      ")
    if len(found) > _NUM_GROUPS:
        lines.append((f"    … {len(found) - _NUM_GROUPS} more in report.json", "dim"))
    return lines


def _metrics(report: CheckReport, *, width: int) -> list[Line]:
    metrics = facts.gated(report)
    if not metrics:
        return []
    rows = [
        (
            facts.VERDICT_WORDS[one.verdict],
            facts.worse_by(one),
            facts.interval_text(one),
            facts.p_text(one),
            facts.mde_text(one),
            facts.metric_name(one.name),
        )
        for one in metrics
    ]
    lines = table_lines([_TITLES, *rows], align=_ALIGN, width=width)
    reasons = [f"{facts.metric_name(one.name)}: {one.reason}" for one in metrics if one.reason]
    test = "Student's t and Holm" if report.design.mode == "baseline" else "permutation of the pairs"
    note = f"p: family-wise, by {test}. sees: the smallest slowdown these {facts.replicate(report)}s could have shown."
    return [*lines, *paragraph(note, width=width, indent="  ", style="dim"), *_bullets(reasons, width=width)]


def _told(report: CheckReport, *, width: int) -> list[Line]:
    """Medians too: nobody else tells them."""
    found = facts.not_gated(report)
    if not found:
        return []
    rows = [
        (facts.worse_by(one), facts.interval_text(one), facts.medians_text(report, one), facts.metric_name(one.name))
        for one in found[:_NUM_NOT_GATED]
    ]
    lines = table_lines([("worse by", "95 %", "medians", "metric"), *rows], align=">>><", width=width)
    if len(found) > _NUM_NOT_GATED:
        lines.append((f"  … {len(found) - _NUM_NOT_GATED} more in the report", "dim"))
    return lines


def _bad_launches(report: CheckReport, *, width: int) -> list[Line]:
    bad = facts.bad_launches(report)
    lines: list[Line] = []
    for launch in bad[:_NUM_BAD_LAUNCHES]:
        lines += paragraph(facts.launch_sentence(launch), width=width, first="  ", indent="    ", style="bad")
        tail = launch.stderr_tail[-_NUM_STDERR_LINES:]
        lines += [(f"    {keep_head(plain(line), width - 4)}", "dim") for line in tail]
    if len(bad) > _NUM_BAD_LAUNCHES:
        lines.append((f"  … {len(bad) - _NUM_BAD_LAUNCHES} more", "dim"))
    return lines
