"""The summary on the terminal: findings first, then the tables that prove them, last the one line to remember.

Plain strings rather than rich: the columns are few, the text must also fit a pipe and a CI log, and nothing is loaded.
"""

from collections.abc import Sequence
from typing import TextIO

from ocrprof.renderers import (
    action_plan,
    calls,
    console_baseline,
    console_startup,
    figures,
    figures_checks,
    figures_loops,
    figures_startup,
    hot_lines,
    processes,
)
from ocrprof.renderers.console_findings import findings
from ocrprof.renderers.console_lines import paragraph
from ocrprof.renderers.places import keep_head
from ocrprof.renderers.terminal import Line, write_lines
from ocrprof.results.model import BaselineReport, StartupReport


def render_startup(report: StartupReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the summary of a start, complete or partial, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    lines = [
        *console_startup.head(report, width=width),
        *console_startup.failures(report, width=width),
        *console_startup.why(report, width=width),
        *console_startup.what_if(report, width=width),
        *(findings(report.findings, cwd=report.target.cwd, width=width) if figures_startup.judged(report) else []),
        *action_plan.console_lines(report, width=width),
        *console_startup.phases(report, "Where the time goes", width=width),
        *processes.console_lines(report, width=width),
        *console_startup.imports(report, width=width),
        *console_startup.savings(report, width=width),
        *console_startup.hydra(report, width=width),
        *console_startup.access(report, width=width),
        *console_startup.instantiations(report, width=width),
        *console_startup.constructions(report, width=width),
        *calls.console_lines(report, width=width),
        *hot_lines.console_lines(report, width=width),
        *_notes(
            report,
            figures_startup.noise_notes(report),
            measured_seconds=figures_startup.measured_seconds(report),
            width=width,
        ),
        ("", ""),
        (figures_startup.startup_line(report, cells=width), "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def render_baseline(report: BaselineReport, *, stream: TextIO, color: bool, width: int = 80) -> None:
    """Writes the summary of a baseline, complete or partial, in at most `width` columns (80 to 120)."""
    width = min(max(width, 80), 120)
    found = figures_loops.all_findings(report)
    measured = report.run.wall_seconds if report.run else 0.0
    lines = [
        *console_baseline.head(report, width=width),
        *(findings(found, cwd=report.target.cwd, width=width) if found or report.loops else []),
        *console_baseline.loops(report),
        *console_baseline.parts(report, width=width),
        *console_baseline.memory(report, width=width),
        *(console_baseline.start(report.startup, width=width) if report.startup else []),
        *_notes(report, figures.notes_of(report), measured_seconds=measured, width=width),
        ("", ""),
        (keep_head(console_baseline.last_line(report), width), "title"),
    ]
    write_lines(lines, stream=stream, color=color)


def _notes(
    report: StartupReport | BaselineReport, notes: Sequence[str], *, measured_seconds: float, width: int
) -> list[Line]:
    observer = figures.observer_line(report.observer, measured_seconds=measured_seconds)
    overhead = report.overhead if isinstance(report, StartupReport) else None
    labelled = [
        ("environment", figures.environment_line(report.environment)),
        ("observer", observer),
        *([("", figures_checks.overhead_line(overhead))] if overhead else []),
        *(("note", note) for note in notes),
    ]
    lines: list[Line] = [("", "")]
    for label, text in labelled:
        lines += paragraph(text, width=width, first=f"{label:<13}", indent=" " * 13, style="dim")
    return lines
