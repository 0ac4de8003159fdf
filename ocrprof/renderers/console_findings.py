"""Findings on the terminal."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.console_lines import paragraph
from ocrprof.renderers.places import keep_tail, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Finding
from ocrprof.units import format_percent, format_seconds

_NUM_FINDINGS = 5


def findings(findings: Sequence[Finding], *, cwd: str, width: int) -> list[Line]:
    """The first few findings, each with its place, evidence and advice."""
    if not findings:
        return [("", ""), (figures.NO_FINDINGS, "heading")]
    lines: list[Line] = [("", ""), ("What to change first", "heading")]
    for finding in findings[:_NUM_FINDINGS]:
        lines += _finding(finding, cwd=cwd, width=width)
    if len(findings) > _NUM_FINDINGS:
        lines.append((f"{len(findings) - _NUM_FINDINGS} more findings in the report", "dim"))
    return lines


def _finding(finding: Finding, *, cwd: str, width: int) -> list[Line]:
    size = f"{format_seconds(finding.seconds)}, {format_percent(finding.share)}"
    lines = paragraph(
        f"{finding.priority}  {plain(finding.title)}: {size}",
        width=width,
        indent="    ",
        first="",
        style=finding.priority,
    )
    where = place(finding.location, cwd=cwd)
    if where:
        lines.append((f"    {keep_tail(where, width - 4)}", ""))
    evidence = figures.evidence_text(finding.evidence)
    if evidence:
        lines += paragraph(evidence, width=width, indent="    ", style="dim")
    return lines + paragraph(finding.advice, width=width, indent="    ")
