"""Findings on the terminal."""

from collections.abc import Sequence

from ocrprof.renderers import figures
from ocrprof.renderers.console_lines import paragraph
from ocrprof.renderers.places import keep_parts, keep_tail, place, plain
from ocrprof.renderers.terminal import Line
from ocrprof.results.model import Finding
from ocrprof.units import format_percent, format_seconds

_NUM_FINDINGS = 5


def findings(findings: Sequence[Finding], *, cwd: str, width: int) -> list[Line]:
    """The first few findings, each with its place, a line of evidence, and advice."""
    if not findings:
        return [("", ""), (figures.NO_FINDINGS, "heading")]
    to_change = [finding for finding in findings if finding.effect != "tells"]
    to_know = [finding for finding in findings if finding.effect == "tells"]
    lines: list[Line] = []
    for heading, found in (("What to change first", to_change), ("To know", to_know)):
        if found:
            lines += [("", ""), (heading, "heading")]
        for finding in found[:_NUM_FINDINGS]:
            lines += _finding(finding, cwd=cwd, width=width)
        if len(found) > _NUM_FINDINGS:
            lines.append((f"{len(found) - _NUM_FINDINGS} more findings in the report", "dim"))
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
        # About two lines: the report has all of it.
        shown = keep_parts(evidence, 2 * (width - 8))
        lines += paragraph(shown, width=width, indent="    ", style="dim")
    return lines + paragraph(finding.advice, width=width, indent="    ")
