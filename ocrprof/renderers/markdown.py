"""Reports as Markdown: a start short enough for a pull request, a baseline with every section of the audits.

Plain functions rather than templates: most lines are there only if their figure is, which reads better as code.
"""

from ocrprof.renderers import (
    figures_checks,
    figures_loops,
    figures_startup,
    markdown_baseline,
    markdown_startup,
    processes,
)
from ocrprof.renderers.markdown_text import code, table_block, words
from ocrprof.results.model import BaselineReport, StartupReport

MAX_STARTUP_LINES = 60


def startup_markdown(report: StartupReport) -> str:
    """The start in at most 60 lines, to be pasted into a pull request; ends with a newline."""
    text = ""
    for num_rows in range(10, 0, -1):
        text = _startup_page(report, num_rows=num_rows)
        if text.count("\n") <= MAX_STARTUP_LINES:
            break
    return text


def baseline_markdown(report: BaselineReport) -> str:
    """The whole baseline, in the order of the audits; ends with a newline."""
    sections = [
        markdown_baseline.header(report),
        markdown_baseline.validation(report),
        ["## Memory Usage", "", *table_block(["Resource", "Usage"], figures_loops.memory_rows(report))],
        markdown_baseline.comparison(report),
        markdown_baseline.startup_section(report),
        markdown_baseline.bottlenecks(report),
        markdown_baseline.recommendations(report),
        markdown_baseline.environment(report),
        markdown_baseline.how_measured(report),
        markdown_baseline.raw_metrics(report),
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def _startup_page(report: StartupReport, *, num_rows: int) -> str:
    blocks = [
        [f"`{code(figures_startup.startup_line(report))}`"],
        [markdown_startup.what_was_run(report)],
        [words(figures_checks.cold_line(report.cold))] if report.cold else [],
        markdown_startup.failures(report),
        markdown_startup.why(report),
        markdown_startup.what_if(report),
        markdown_startup.finding_table(report, num_rows=num_rows),
        markdown_startup.phase_table(report),
        processes.markdown_lines(report),
        markdown_startup.package_table(report, num_rows=num_rows),
        markdown_startup.saving_table(report, num_rows=num_rows),
        markdown_startup.hydra(report),
        markdown_startup.access(report),
        markdown_startup.instantiation_table(report, num_rows=num_rows),
        markdown_startup.footer(report),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"
