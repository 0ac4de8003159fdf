"""A sweep of worker counts as Markdown, for a pull request."""

from ocrprof.renderers import figures, figures_sweep, tables_sweep
from ocrprof.renderers.figures import evidence_text
from ocrprof.renderers.markdown_text import code, prose, stderr_block, table_block, words
from ocrprof.renderers.places import place
from ocrprof.renderers.write_back import write_back_markdown
from ocrprof.results.model import SweepReport
from ocrprof.units import format_seconds


def sweep_markdown(report: SweepReport) -> str:
    """Recommendation, tables, failures, findings and how it was measured; ends with a newline."""
    lines = figures_sweep.recommendation_lines(report)
    blocks = [
        [f"# {words(figures_sweep.headline(report))}"],
        [f"`{code(figures.command(report.target))}`"],
        *([words(line)] for line in lines),
    ]
    for table in tables_sweep.tables(report):
        rows = [[words(cell) for cell in row] for row in table.rows]
        titles = [words(title) for title in table.titles]
        blocks.append([f"## {table.heading}", "", *table_block(titles, rows, align=table.align), "", words(table.note)])
    blocks += _failed(report)
    if report.write_back is not None:
        blocks += [[block] for block in write_back_markdown(report.write_back, cwd=report.target.cwd)]
    if report.findings:
        rows = [
            [
                one.priority,
                words(one.title),
                format_seconds(one.seconds),
                words(place(one.location, cwd=report.target.cwd)),
                words(evidence_text(one.evidence)),
                prose(one.advice),
            ]
            for one in report.findings
        ]
        titles = ["", "finding", "costs", "where", "evidence", "what to do"]
        blocks.append(["## Findings", "", *table_block(titles, rows)])
    trials = [[words(cell) for cell in row] for row in tables_sweep.trial_rows(report)]
    every = table_block(tables_sweep.TRIAL_TITLES, trials, align=tables_sweep.TRIAL_ALIGN)
    blocks.append(["<details><summary>Every trial</summary>", "", *every, "", "</details>"])
    blocks.append(["## How it was measured", "", *(f"- {words(text)}" for text in _small_print(report))])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _small_print(report: SweepReport) -> list[str]:
    control = figures_sweep.control_text(report)
    told = [figures_sweep.what_was_run(report), figures_sweep.loader_text(report)]
    told += [f"A/A control: {control}"] if control else []
    return [text for text in (*told, *figures_sweep.notes(report), figures_sweep.environment_text(report)) if text]


def _failed(report: SweepReport) -> list[list[str]]:
    rows = [
        [words(name), words(what), "<br>".join(words(detail) for detail in details)]
        for name, what, details in figures_sweep.failures(report)
    ]
    if not rows:
        return []
    blocks = [["## Failed", "", *table_block(["setting", "what happened", "where and what to do"], rows)]]
    for name, tail in figures_sweep.failure_output(report).items():
        blocks.append([f"{words(name)}:", *stderr_block(tail)])
    return blocks
