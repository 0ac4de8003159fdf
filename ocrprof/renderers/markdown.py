"""Reports as Markdown: a start short enough for a pull request, a baseline with every section of the audits.

Plain functions rather than templates: most lines are there only if their figure is, which reads better as code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ocrprof.renderers import (
    action_plan,
    calls,
    figures_checks,
    figures_loops,
    figures_startup,
    hot_lines,
    markdown_baseline,
    markdown_startup,
    processes,
)
from ocrprof.renderers.markdown_text import code, table_block, words
from ocrprof.results.model import BaselineReport, StartupReport

MAX_STARTUP_LINES = 60
_NUM_ROWS, _MIN_ROWS = 10, 2
ALWAYS = 100
"""The weight of a block that no page goes without."""


@dataclass(frozen=True)
class Block:
    """Lines of a page under the name by which it says that they were left out: of the lightest blocks first.

    `draw` gives the lines for a number of table rows.
    """

    name: str
    weight: int
    draw: Callable[[int], list[str]]


def startup_markdown(report: StartupReport) -> str:
    """The start in at most 60 lines, to be pasted into a pull request; ends with a newline.

    Tables are shortened first, down to a few rows; then the lightest blocks are left out, and the page says which.
    """
    blocks = _startup_blocks(report)
    light_first = sorted((block for block in blocks if block.weight < ALWAYS), key=lambda block: block.weight)
    for num_left_out in range(len(light_first) + 1):
        left_out = light_first[:num_left_out]
        if left_out and not left_out[-1].draw(1):
            continue
        for num_rows in range(_NUM_ROWS, _MIN_ROWS - 1, -1):
            text = _page(blocks, left_out, num_rows)
            if text.count("\n") <= MAX_STARTUP_LINES:
                return text
    return _page(blocks, light_first, 1)


def _page(blocks: Sequence[Block], left_out: Sequence[Block], num_rows: int) -> str:
    drawn = [block.draw(num_rows) for block in blocks if block not in left_out]
    names = [block.name for block in left_out if block.draw(1)]
    if names:
        drawn.append([f"Left out here: {', '.join(names)} (report.html has them)."])
    return "\n\n".join("\n".join(lines) for lines in drawn if lines) + "\n"


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


def _startup_blocks(report: StartupReport) -> list[Block]:
    return [
        Block("the line", ALWAYS, lambda _: [f"`{code(figures_startup.startup_line(report))}`"]),
        Block("what was run", ALWAYS, lambda _: [markdown_startup.what_was_run(report)]),
        Block("cold starts", 80, lambda _: [words(figures_checks.cold_line(report.cold))] if report.cold else []),
        Block("failures", ALWAYS, lambda _: markdown_startup.failures(report)),
        Block("the answer to --why", 90, lambda _: markdown_startup.why(report)),
        Block("the answer to --what-if", 90, lambda _: markdown_startup.what_if(report)),
        Block("findings", ALWAYS, lambda num_rows: markdown_startup.finding_table(report, num_rows=num_rows)),
        Block("action plan", 85, lambda num_rows: action_plan.markdown_lines(report, num_rows=num_rows)),
        Block("phases", ALWAYS, lambda _: markdown_startup.phase_table(report)),
        Block("processes", 65, lambda _: processes.markdown_lines(report)),
        Block("packages", 70, lambda num_rows: markdown_startup.package_table(report, num_rows=num_rows)),
        Block("savings", 60, lambda num_rows: markdown_startup.saving_table(report, num_rows=num_rows)),
        Block("repeated calls", 45, lambda num_rows: calls.markdown_lines(report, num_rows=num_rows)),
        Block("hot lines", 55, lambda num_rows: hot_lines.markdown_lines(report, num_rows=num_rows)),
        Block("configuration", 30, lambda _: markdown_startup.hydra(report)),
        Block("files and connections", 20, lambda _: markdown_startup.access(report)),
        Block("instantiations", 50, lambda num_rows: markdown_startup.instantiation_table(report, num_rows=num_rows)),
        Block("footer", ALWAYS, lambda _: markdown_startup.footer(report)),
    ]
